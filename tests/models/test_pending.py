"""Results on their way: what is waited for, and how long a device worked and idled."""

import threading

import numpy as np
import pytest
import torch

from a2pipe.models.outputs import Block
from a2pipe.models.pending import HostEvent, Pending, host_tensor, new_event


class FakeEvent:
    """An event of a device that comes to it at a given millisecond; `come` is set when it has."""

    def __init__(self, milliseconds: float) -> None:
        self.milliseconds = milliseconds
        self.come = threading.Event()
        self.waits = 0

    def record(self) -> None:
        pass

    def synchronize(self) -> None:
        self.waits += 1
        assert self.come.wait(10)

    def elapsed_time(self, end: "FakeEvent") -> float:
        return end.milliseconds - self.milliseconds


def pending(start: float, end: float) -> Pending:
    return Pending({Block(1): torch.zeros(2, 3, 4)}, FakeEvent(start), FakeEvent(end))


def test_another_thread_waits_for_the_end_alone_and_sees_what_was_copied_until_then() -> None:
    found = []
    results = pending(0, 10)
    waiting = threading.Thread(target=lambda: found.append(results.wait()))
    waiting.start()
    results._results[Block(1)].fill_(7)
    assert not found
    results.end.come.set()
    waiting.join()
    assert list(found[0]) == [Block(1)]
    np.testing.assert_array_equal(found[0][Block(1)], np.full((2, 3, 4), 7, np.float32))
    assert (results.start.waits, results.end.waits) == (0, 1)


def test_a_device_is_busy_from_start_to_end_and_idle_in_between() -> None:
    first, second = pending(100, 350), pending(600, 610)
    assert first.seconds_busy() == pytest.approx(0.25)
    assert second.idle_since(first) == pytest.approx(0.25)


def test_a_launch_that_was_queued_behind_another_found_no_idle_device() -> None:
    assert pending(99.9, 200).idle_since(pending(0, 100)) == 0


def test_host_events_measure_what_lies_between_them(monkeypatch) -> None:
    times = iter([5.0, 7.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    start, end = HostEvent(), HostEvent()
    start.record()
    end.record()
    end.synchronize()
    assert start.elapsed_time(end) == 2500


def test_the_cpu_has_events_of_the_host_and_needs_no_pinned_memory() -> None:
    cpu = torch.device("cpu")
    assert isinstance(new_event(cpu), HostEvent)
    assert host_tensor((2, 3), cpu).dtype == torch.float32
    assert not host_tensor((2, 3), cpu).is_pinned()
