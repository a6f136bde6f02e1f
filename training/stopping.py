"""SIGTERM waits until a training can write its checkpoint."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class StoppedError(Exception):
    """A training was asked to stop; it is raised between two steps, where its state is whole."""


@contextmanager
def held_sigterm() -> Iterator[Callable[[], bool]]:
    """Hold SIGTERM back while the block runs, and send it again afterwards if one came.

    Yields a function that tells whether one came. The block should then write what is to be kept
    and end. What was set to handle the signal before handles it then; the command line ends with
    exit code 143. In a thread that is not the main one, nothing is held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []

    def note(number: int, _: Any) -> None:
        came.append(number)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before)
        if came:
            signal.raise_signal(signal.SIGTERM)
