"""Processes and a temporary folder that end with their parent process, however it ends."""

import fcntl
import os
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from ...errors import A2pipeError
from ...files import explained, remove

Result = TypeVar("Result")

SECONDS_BETWEEN_LOOKS = 1.0
"""A process looks every so many seconds whether its parent still lives."""
PREFIX = "a2pipe-features-"
"""The names of scratch folders begin so."""


def in_processes(
    processes: int, work: Callable[..., Result], jobs: Iterable[tuple[object, ...]]
) -> Generator[Result, None, None]:
    """Call `work` with the arguments of each job, and yield the results as they come.

    processes: how many work at once, each with one BLAS thread; with 1, this process does the work
    itself. jobs: read lazily, one more than there are processes, and maybe on another thread. If
    the caller stops early, jobs that run are killed.

    Raises:
        A2pipeError: a process was killed from outside; or whatever `work` raises.
    """
    from joblib import Parallel, delayed, parallel_config

    pool = partial(Parallel, processes, initializer=_serve, initargs=(os.getpid(),))
    with _kill_explained(processes), parallel_config("loky", inner_max_num_threads=1):
        if processes > 1:
            # loky starts its processes with the first jobs, so these are given under the mask.
            with _interrupts_held():
                pool()(delayed(os.getpid)() for _ in range(processes))
        drawn = pool(return_as="generator_unordered", pre_dispatch="n_jobs + 1")
        with _closing(drawn(delayed(work)(*job) for job in jobs)) as results:
            for result in results:  # noqa: UP028 (`yield from` would close them, with a warning)
                yield result


@contextmanager
def _closing(results: Generator[Result, None, None]) -> Iterator[Generator[Result, None, None]]:
    """Close the results at the end, as `contextlib.closing` does."""
    try:
        yield results
    finally:
        # joblib warns of the jobs that are dropped, which is what a caller who stops early wants.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.close()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back from this process, and for good from those that are started within."""
    # They inherit the mask. Ctrl-C goes to the whole group of processes, and each would answer with
    # a traceback of its own; so the parent alone takes it, and ends them.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _serve(parent: int) -> None:
    """Watch the parent from a thread, so that this process ends with it even if it is killed."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


@contextmanager
def _kill_explained(processes: int) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise A2pipeError(
            f"One of {processes} processes was killed, most likely as memory ran out: give more "
            "memory or fewer --workers, and run again; what was finished is kept."
        ) from error


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder for temporary files, which is removed at the end.

    It lies in the system's folder for temporary files and is locked as long as its process lives.
    The folders that killed processes left are removed first.

    Raises:
        A2pipeError: the system's folder for temporary files may not be written or is full.
    """
    remove_left_folders()
    folder, lock = _locked_folder()
    try:
        yield folder
    finally:
        remove(folder)
        os.close(lock)


def remove_left_folders() -> list[Path]:
    """Remove this user's scratch folders whose processes live no longer, and return their paths."""
    gone = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # The kernel frees the lock of a killed process. A process number in the folder's name would
        # not do: containers that share the folder do not share their numbers.
        with suppress(OSError):
            lock = _open(folder)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(folder)
                gone.append(folder)
            finally:
                os.close(lock)
    return gone


def _locked_folder() -> tuple[Path, int]:
    """Make a folder and lock it; returns its path and the descriptor that holds the lock."""
    while True:
        with explained(Path(tempfile.gettempdir())):
            folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Another process may take the folder for one that was left, and remove it, before it is
        # locked here. Then the next one is tried.
        with suppress(FileNotFoundError):
            lock = _open(folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
