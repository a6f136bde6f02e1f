"""Run functions in light worker processes.

They are started by `subprocess`, not by `multiprocessing`, and so they run in daemons (as Dask's
workers are), in notebooks and in scripts without a `__main__` guard. A worker imports what its
functions need and nothing else. It ends when the pipe to this process does, however that came.
"""

import multiprocessing
import os
import pickle
import queue
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar
from weakref import finalize

from .errors import A2pipeError

T = TypeVar("T")
TRIES = 3
"""Work at which so many workers have been killed is given up."""
SECONDS_TO_LOOK = 5.0
"""A worker looks so often whether its parent lives: a fork of the parent keeps the pipe open."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# By default glibc may give the pixels of each image back to the system, which costs over a hundred
# page faults an image: up to an eighth of the time of decoding. 32 MB is the most that it takes.
# Dask's workers have a low threshold in their environment, so what is there is not kept.
KEEP_FREED = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}


class Workers:
    """Workers are processes that run functions for the threads of this one.

    count: how many there are. inherited: file descriptors that they have open, by the same numbers.

    Where no process can be started, functions run in the calling thread, and `trouble` says why.
    """

    def __init__(self, count: int, inherited: Sequence[int] = ()):
        self.count = count
        self.trouble = ""
        self._inherited = tuple(inherited)
        self._running: set[_Worker] = set()
        # For each worker that could not be started there is a None: whoever takes that one does
        # its work itself.
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        self._closed = False
        # It holds the set and not this object, so that it also runs when this one is forgotten.
        self._end = finalize(self, _end_all, self._running)
        for _ in range(count):
            self._idle.put(self._start())

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what `function` returns in the next idle worker, or raise what it raises.

        function: of a module that can be imported. Its arguments and its result are pickled. If the
        worker is killed, another one does the work again.

        Raises:
            A2pipeError: TRIES workers were killed at this work, or these workers are closed.
        """
        ending = ""
        for _ in range(TRIES):
            worker = self._idle.get()
            if worker is None:
                self._idle.put(None)
                return function(*arguments)
            try:
                result, error = worker.call(function, arguments)
            except (EOFError, OSError):
                ending, worker = self._replace(worker)
                continue
            finally:
                self._idle.put(worker)
            if error is not None:
                raise error
            done: T = result
            return done
        raise A2pipeError(
            f"A worker process ended {TRIES} times at the same work ({ending}): is there enough "
            "memory? `--workers N` starts fewer of them."
        )

    def close(self) -> None:
        """End all workers at once, whatever they are doing."""
        self._closed = True
        self._end()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> "_Worker | None":
        try:
            worker = _Worker(self._inherited)
        except (OSError, ValueError) as error:
            self.trouble = str(error)
            return None
        self._running.add(worker)
        return worker

    def _replace(self, worker: "_Worker") -> "tuple[str, _Worker | None]":
        """Return in words how a worker has ended, and another one in its place."""
        if self._closed:
            raise A2pipeError("The worker processes were ended while they had work.")
        self._running.discard(worker)
        ending = worker.end()
        if worker.ready:
            return ending, self._start()
        # One that never said it was ready would not come up at the next attempt either.
        self.trouble = f"a process ended as it started, with {ending}"
        return ending, None


class _Worker:
    """A worker process and the pipe to it."""

    def __init__(self, inherited: Sequence[int]):
        self.ready = False
        self._pipe, theirs = multiprocessing.Pipe()
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from a2pipe.workers import serve; serve({number})"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **KEEP_FREED, **ONE_THREAD, "PYTHONPATH": search_path()},
                pass_fds=(number, *inherited),
                process_group=0,  # Ctrl-C on a terminal is for the parent, which ends its workers
            )

    def call(self, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        """Send work and wait for the answer; raises EOFError or OSError if the worker has ended."""
        if not self.ready:
            self._pipe.recv()
            self.ready = True
        self._pipe.send((function, arguments))
        return self._pipe.recv()

    def end(self) -> str:
        """End the process, if it has not ended yet, and return in words how it ended."""
        self._process.kill()
        code = self._process.wait()
        self._pipe.close()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _end_all(workers: "set[_Worker]") -> None:
    for worker in workers:
        worker.end()


def search_path() -> str:
    """Return where this process looks for modules, which may not be what it was started with."""
    return os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)


def serve(fd: int) -> None:
    """Run what the parent sends over a pipe, and end with it. This is the life of a worker.

    fd: the file descriptor of the pipe.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    with Connection(fd) as pipe, suppress(EOFError, OSError):
        pipe.send("ready")
        while True:
            while not pipe.poll(SECONDS_TO_LOOK):
                if os.getppid() != parent:
                    return
            function, arguments = pipe.recv()
            pipe.send_bytes(_answer(function, arguments))


def _answer(function: Callable[..., Any], arguments: Sequence[Any]) -> bytes:
    """Return (result, error), one of which is None, as it is sent."""
    try:
        return pickle.dumps((function(*arguments), None))
    except Exception as error:
        if not isinstance(error, A2pipeError):
            error.add_note("".join(traceback.format_exception(error)))
        try:
            return pickle.dumps((None, error))
        except Exception:  # some errors hold what cannot be sent
            return pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}")))
