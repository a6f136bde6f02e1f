"""Processes and a temporary folder that end with their parent process, however it ends."""

from __future__ import annotations

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
"""How often a process looks whether its parent still lives."""
PREFIX = "a2pipe-features-"
"""How the names of scratch folders begin."""


def in_processes(
    processes: int, work: Callable[..., Result], jobs: Iterable[tuple[object, ...]]
) -> Generator[Result, None, None]:
    """`work` on each job's arguments: results as they come, with one BLAS thread a process.

    One process is this one. One job more than there are processes is drawn ahead, maybe in another
    thread. If the caller stops early, jobs that run are killed.

    Raises A2pipeError if a process is killed from outside.
    """
    from joblib import Parallel, delayed, parallel_config

    pool = partial(Parallel, processes, initializer=_serve, initargs=(os.getpid(),))
    with _kill_explained(processes), parallel_config("loky", inner_max_num_threads=1):
        if processes > 1:
            with _interrupts_held():
                pool()(delayed(os.getpid)() for _ in range(processes))
        drawn = pool(return_as="generator_unordered", pre_dispatch="n_jobs + 1")
        with _closing(drawn(delayed(work)(*job) for job in jobs)) as results:
            for result in results:  # noqa: UP028 (`yield from` would close them, with a warning)
                yield result


@contextmanager
def _closing(results: Generator[Result, None, None]) -> Iterator[Generator[Result, None, None]]:
    """As contextlib's; joblib warns of the jobs that a caller who stops early is rid of."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.close()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits, and processes that are started never see it: their parent ends them."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _serve(parent: int) -> None:
    """What a process does before its first job."""
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
