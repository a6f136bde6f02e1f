"""Decoding ahead: in order, as far as memory allows, and no thread takes more than there is."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from a2pipe.pipeline.shards.prefetch import Room, prefetch


@pytest.fixture
def pool():
    """Three threads."""
    with ThreadPoolExecutor(3) as pool:
        yield pool


def read_so_far(batches, pool, **bounds):
    """How many batches were taken from the source by the time each was yielded."""
    taken = []

    def source():
        for batch in batches:
            taken.append(batch)
            yield batch, [partial(int, batch)] * 2

    found = [(len(taken), *item) for item in prefetch(source(), pool, **bounds)]
    assert [(batch, results) for _, batch, results in found] == [(b, [b, b]) for b in batches]
    return [count for count, _, _ in found]


def test_so_many_batches_are_ahead(pool):
    assert read_so_far(range(6), pool, ahead=2) == [3, 4, 5, 6, 6, 6]


def test_nothing_is_ahead_of_what_fills_the_room(pool):
    heavy = {"ahead": 4, "weigh": lambda _: 100}
    assert read_so_far(range(4), pool, **heavy, room=90) == [1, 2, 3, 4]
    assert read_so_far(range(4), pool, **heavy, room=200) == [3, 4, 4, 4]


def test_a_batch_in_work_does_not_count_as_waiting(pool):
    weights = [20, 180, 20, 20]
    counts = read_so_far(range(4), pool, ahead=9, weigh=weights.__getitem__, room=120)
    assert counts == [2, 2, 4, 4]


def test_waiting_is_told(pool):
    told = []
    list(prefetch([(0, [int, int]), (1, [])], pool, 1, waited=told.append))
    assert len(told) == 2
    assert min(told) >= 0


def test_jobs_that_have_not_begun_are_dropped_when_the_caller_stops():
    begun, gate = [], threading.Event()

    def work(job):
        begun.append(job)
        gate.wait(10)

    with ThreadPoolExecutor(1) as pool:
        batches = prefetch(((n, [partial(work, n)]) for n in range(5)), pool, ahead=3)
        gate.set()
        next(batches)
        gate.clear()
        batches.close()
        gate.set()
    assert len(begun) < 5


@pytest.mark.parametrize("wanted", [10, 60, 1000])
def test_threads_never_hold_more_than_the_room(wanted):
    room, held, most, lock = Room(100), 0, 0, threading.Lock()

    def work(_):
        nonlocal held, most
        with room.taking(wanted):
            with lock:
                held += min(wanted, 100)
                most = max(most, held)
            with lock:
                held -= min(wanted, 100)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    assert 0 < most <= 100
    assert held == 0


def test_room_is_given_back_after_an_error():
    room = Room(10)
    for _ in range(3):
        with pytest.raises(OSError, match="gone"), room.taking(10):
            raise OSError("gone")
