"""The life of a process that computes a share of a task on one device; `process.py` starts it.

Two lines on stdin say what to do. Lines on stdout tell what is done. The end of stdin is the end of
the parent, or its wish that this process ends.
"""

import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any, NoReturn

from ..local import LocalExecutor
from ..progress import Advance
from ..request import Report, Request, compute_reported
from ..stats import RunStats
from .opening import opened

TERMINATED = 143
SECONDS_TO_LOOK = 5.0
"""It looks so often whether its parent lives: a fork of the parent keeps the pipe open."""
SECONDS_TO_END = 60.0
"""So long may it take to write complete shards when the parent is gone."""


def main() -> None:
    """Compute what stdin says, tell of it on stdout, and end this process."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    telling = Telling(_taken_stdout())
    lines = [sys.stdin.buffer.readline() for _ in range(2)]
    if not all(lines):
        os._exit(TERMINATED)
    request, own = map(json.loads, lines)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    telling.tell({"report": asdict(_computed(request, own["device"], own["shards"], telling))})
    # All is on disk by now, and PyTorch takes two seconds to end in order.
    os._exit(0)


class Telling:
    """A progress that tells the parent, a line of JSON for each event.

    pipe: the file descriptor that the parent reads.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Advance]:
        """Tell how many more of `what` are done; the parent knows the total."""
        del what, total
        yield lambda count: self.tell({"images": count})

    def say(self, line: str) -> None:
        """Tell a line for the user."""
        self.tell({"line": line})

    def tell(self, event: dict[str, Any]) -> None:
        """Write one line. When the parent is gone nobody reads it, and this process ends soon."""
        rest = json.dumps(event).encode() + b"\n"
        with suppress(BrokenPipeError):
            while rest:
                rest = rest[os.write(self._pipe, rest) :]


def _computed(request: Request, device: str, shards: list[int], telling: Telling) -> Report:
    """Compute the shards, and report what came of them, also when this process is told to end."""
    stats = RunStats()
    try:
        return compute_reported(
            lambda: opened(request, device), shards, LocalExecutor(), telling, stats
        )
    except SystemExit:
        return Report(stats, tuple(shards), "worker", "its process was told to end")


def _taken_stdout() -> int:
    """Return a descriptor of stdout that is this module's alone.

    What anything else prints goes to stderr, and processes that are started here do not have it.
    """
    pipe = os.dup(1)
    os.dup2(2, 1)
    return pipe


def _stop(*_: object) -> NoReturn:
    """Unwind the stack, so that complete shards are written."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(TERMINATED)


def _end_with(parent: int) -> None:
    """End this process when the parent closes the pipe or is gone."""
    while os.getppid() == parent:
        if select.select([0], [], [], SECONDS_TO_LOOK)[0] and not os.read(0, 1):
            break
    # To the main thread, as a signal to another one would not wake it where it waits for a lock.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    os._exit(TERMINATED)
