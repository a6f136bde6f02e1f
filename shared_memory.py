"""Share memory with worker processes: one file without a name, which both sides map.

Python's own `multiprocessing.shared_memory` lies in /dev/shm, of which containers have 64 MB, and
outlives a process that is killed. A memfd has neither limit nor name: it ends with the last process
that has it open.
"""

import mmap
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pinned = Callable[[NDArray[np.uint8]], AbstractContextManager[object]]
SEGMENTS_MAPPED = 256
"""A worker keeps so many segments mapped; a run has far fewer."""


class Segment:
    """A Segment is a part of shared memory; sent to a worker process, it maps the same bytes.

    array: uint8 (nbytes,), writable on both sides.
    """

    def __init__(self, fd: int, offset: int, nbytes: int):
        self._place = (fd, offset, nbytes)
        # The array keeps the mapping alive, so views of it stay valid when the file is closed.
        mapped = mmap.mmap(fd, nbytes, offset=offset)
        self.array: NDArray[np.uint8] = np.frombuffer(mapped, np.uint8)

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker is started with the same number for the same file, see `workers`.
        return _mapped, self._place


@lru_cache(SEGMENTS_MAPPED)
def _mapped(fd: int, offset: int, nbytes: int) -> Segment:
    """Return a segment as a worker maps it, once for all its messages."""
    return Segment(fd, offset, nbytes)


class SharedMemory:
    """Shared memory is cut into segments, which are used again once they are given back.

    fd: the file descriptor that worker processes have to inherit. pinned: a block in which the
    bytes of a segment are pinned, for a device that copies faster from such memory.
    """

    def __init__(self, pinned: Pinned = nullcontext) -> None:
        self._pinned = pinned
        self._pins = ExitStack()
        self.fd = _nameless_file()
        self._size = 0
        self._free: list[Segment] = []
        self._lock = threading.Lock()

    def take(self, nbytes: int) -> Segment:
        """Return a segment of at least `nbytes` bytes, whatever they hold.

        Raises OSError if there is no memory left.
        """
        with self._lock:
            fitting = [each for each in self._free if each.array.nbytes >= nbytes]
            if fitting:
                smallest = min(fitting, key=lambda each: each.array.nbytes)
                self._free.remove(smallest)
                return smallest
            return self._grow(nbytes)

    def give_back(self, segment: Segment) -> None:
        """Let the segment be taken again; nobody may use its bytes from now on."""
        with self._lock:
            self._free.append(segment)

    def close(self) -> None:
        """Free the memory, as soon as nobody maps it any more."""
        self._free.clear()
        self._pins.close()
        os.close(self.fd)

    def _grow(self, nbytes: int) -> Segment:
        start = self._size
        whole = max(-(-nbytes // mmap.ALLOCATIONGRANULARITY), 1) * mmap.ALLOCATIONGRANULARITY
        if hasattr(os, "posix_fallocate"):
            # Without it a page that cannot be had would end the process with SIGBUS, later on.
            os.posix_fallocate(self.fd, start, whole)
        else:
            os.truncate(self.fd, start + whole)
        self._size += whole
        segment = Segment(self.fd, start, whole)
        self._pins.enter_context(self._pinned(segment.array))
        return segment


def _nameless_file() -> int:
    """Return a file in memory, or where the system has none a temporary one that has no name."""
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("a2pipe")
        except OSError:
            pass  # some sandboxes forbid the call
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
