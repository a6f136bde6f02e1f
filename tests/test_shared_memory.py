"""Shared memory: segments are used again, hold no space in /dev/shm and leave nothing behind."""

import errno
import os
import pickle
import resource
import shutil

import numpy as np
import pytest

from a2pipe import shared_memory
from a2pipe.shared_memory import SharedMemory


@pytest.fixture
def memory():
    """Memory that is closed at the end."""
    memory = SharedMemory()
    yield memory
    memory.close()


def test_segments_do_not_overlap(memory):
    segments = [memory.take(5000) for _ in range(3)]
    for value, segment in enumerate(segments):
        segment.array[:] = value
    assert [set(segment.array.tolist()) for segment in segments] == [{0}, {1}, {2}]


def test_a_segment_has_at_least_the_bytes_asked_for(memory):
    assert memory.take(1).array.nbytes >= 1
    assert memory.take(0).array.nbytes >= 0
    assert memory.take(100_001).array.nbytes >= 100_001


def test_what_is_given_back_is_taken_again(memory):
    small, large = memory.take(4096), memory.take(50_000)
    memory.give_back(large)
    memory.give_back(small)
    assert memory.take(1000) is small
    assert memory.take(1000) is large
    assert memory.take(1000) not in (small, large)


def test_a_copy_that_was_sent_maps_the_same_bytes(memory):
    segment = memory.take(4096)
    copy = pickle.loads(pickle.dumps(segment))
    copy.array[5] = 77
    assert segment.array[5] == 77
    assert pickle.loads(pickle.dumps(segment)) is copy


def test_views_outlive_the_memory():
    memory = SharedMemory()
    array = memory.take(4096).array
    memory.close()
    array[:] = 3
    assert array.sum() == 3 * 4096


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="a facility of Linux")
def test_more_than_dev_shm_holds_can_be_taken(memory):
    """No byte of it lies in /dev/shm, of which a container has 64 MB."""
    before = shutil.disk_usage("/dev/shm").used
    memory.take(100 << 20).array[:: 1 << 12] = 1
    assert shutil.disk_usage("/dev/shm").used - before < 50 << 20


def test_without_a_file_in_memory_a_temporary_one_serves(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "not implemented")

    monkeypatch.setattr(shared_memory.os, "memfd_create", refuse, raising=False)
    memory = SharedMemory()
    segment = memory.take(4096)
    segment.array[:] = np.arange(4096) % 256
    assert (pickle.loads(pickle.dumps(segment)).array == segment.array).all()
    memory.close()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="a facility of POSIX")
def test_memory_that_cannot_be_had_is_an_error_at_once(memory):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            memory.take(100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert memory.take(100_000).array.nbytes >= 100_000
