"""Results of a model that are still on their way from the device to the host."""

import time
from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .outputs import Output

Floats = npt.NDArray[np.float32]


class Event(Protocol):
    """An event is a point in the work that was queued on a device, as `torch.cuda.Event` is one."""

    def record(self) -> None:
        """Queue the event behind all work that was queued so far."""

    def synchronize(self) -> None:
        """Wait until the device has come to the event."""

    def elapsed_time(self, end: Any) -> float:
        """Return the milliseconds that the device took from this event to another one."""


class HostEvent:
    """A host event is an event of a device whose work is over when the call that queues it returns.

    seconds: when it was recorded, by `time.perf_counter`.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def record(self) -> None:
        """Note the present time."""
        self.seconds = time.perf_counter()

    def synchronize(self) -> None:
        """Return at once, as nothing is ever queued."""

    def elapsed_time(self, end: Self) -> float:
        """Return the milliseconds from this event to another one."""
        return 1000 * (end.seconds - self.seconds)


def new_event(device: torch.device) -> Event:
    """Return an event of a device that measures time; on CUDA it is recorded on its stream."""
    if device.type != "cuda":
        return HostEvent()
    # A blocking event is slept for: one that is spun for takes a core from the decoders.
    event: Event = torch.cuda.Event(enable_timing=True, blocking=True)  # type: ignore[no-untyped-call]
    return event


def host_tensor(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return a float32 tensor in host memory, without values, for results of a device.

    Where CUDA is used its memory is pinned, as no other copy from the device is asynchronous.
    """
    return torch.empty(shape, pin_memory=device.type == "cuda")


class Pending:
    """A Pending is the results of one launch, which the device may still be computing.

    results: by output, float32 tensors (B, ...) in host memory that the results are copied to.
    start: the event before the launch's work. end: the one after it and after the copies.

    Any thread may ask it.
    """

    def __init__(self, results: Mapping[Output, Tensor], start: Event, end: Event) -> None:
        self._results = results
        self.start = start
        self.end = end

    def wait(self) -> dict[Output, Floats]:
        """Wait for the results, without the interpreter's lock; return them by output.

        Each is float32 (B, ...), as `BackboneInfo.shape` says of its output. On CUDA they lie in
        pinned memory, which is given back when the last array on it is deleted.
        """
        self.end.synchronize()
        return {output: values.numpy() for output, values in self._results.items()}

    def seconds_busy(self) -> float:
        """Return how long the device worked on this launch; to be asked after `wait`."""
        return self.start.elapsed_time(self.end) / 1000

    def idle_since(self, previous: "Pending") -> float:
        """Return for how many seconds the device had nothing queued between two launches.

        previous: the launch before this one on the same device. Both have to be over. Other work
        that was queued between the two, such as crops, counts as idle.
        """
        return max(0.0, previous.end.elapsed_time(self.start) / 1000)
