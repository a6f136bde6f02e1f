"""Work in processes of this machine that end when their parent ends, however it does."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from ...errors import A2pipeError

Result = TypeVar("Result")

SECONDS_BETWEEN_LOOKS = 1.0
"""Of a process at whether its parent is still there."""


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
    with _explained(processes), parallel_config("loky", inner_max_num_threads=1):
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
def _explained(processes: int) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise A2pipeError(
            f"One of {processes} processes was killed, most likely as memory ran out: give more "
            "memory or fewer --workers, and run again; what was finished is kept."
        ) from error
