"""End the process of a command at once, whatever threads it has, with PyTorch in one piece."""

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, NoReturn
from weakref import WeakSet

_threads: WeakSet[Thread] = WeakSet()


def in_background(work: Callable[..., object], *arguments: Any) -> Thread:
    """Start a thread that no command waits for at its end, and return it.

    A program that imports this package does wait, as a thread that is stopped while it imports
    PyTorch may crash the process.
    """
    thread = Thread(target=work, args=arguments)
    _threads.add(thread)
    thread.start()
    return thread


def end_after(command: Callable[[], None]) -> NoReturn:
    """Run a command as all that this process does, and end the process with its exit code.

    command: raises SystemExit with an exit code that is not 0. Any other error is left to Python.
    """
    # Of exit functions the first is run last.
    ending = _Ending()
    atexit.register(ending.end)
    code = 0
    try:
        command()
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        code = ended.code
    ending.code = code
    if any(thread.is_alive() for thread in _threads):
        ending.end()
    sys.exit(code)


class _Ending:
    """An _Ending ends the process once its exit code is known.

    code: the exit code, None until it is known.
    """

    code: int | None = None

    def end(self) -> None:
        """End the process here if PyTorch is in it, which takes a second to be taken apart."""
        if self.code is None or "torch" not in sys.modules:
            return
        with suppress(OSError, ValueError):  # Python itself tells what is wrong with a stream
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)
