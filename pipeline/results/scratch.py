"""A folder for the time of a run, which no way to end the run leaves behind for long.

It lies in the system's folder for temporary files, which is local to the machine, and is locked as
long as its process lives. What a killed process left is not locked, and so told from what is in use
without a look at process numbers, which containers that share the folder do not share.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...files import explained, remove

PREFIX = "a2pipe-features-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, removed at the end; those that killed processes left are removed first.

    Raises A2pipeError if the system's folder for temporary files may not be written or is full.
    """
    sweep()
    folder, lock = _locked_folder()
    try:
        yield folder
    finally:
        remove(folder)
        os.close(lock)


def sweep() -> list[Path]:
    """Remove the folders of processes that are no more, as far as they are this user's."""
    gone = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
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
    """Once more if another process swept the folder before it was locked."""
    while True:
        with explained(Path(tempfile.gettempdir())):
            folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):
            lock = _open(folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
