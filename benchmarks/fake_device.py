"""A device that takes a given time for each image, and needs neither a core nor a lock for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from a2pipe.models.outputs import Output
from a2pipe.models.pending import Pending
from a2pipe.pipeline.planning.plan import Plan
from a2pipe.pipeline.shards.backbones import Backbones
from a2pipe.pipeline.shards.local import LocalExecutor
from a2pipe.pipeline.shards.task import Task


class Moment:
    """A moment is an event of the fake device. seconds: when it comes, by `time.perf_counter`."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def record(self) -> None:
        """Do nothing: the moment is known from the start."""

    def synchronize(self) -> None:
        """Sleep until the moment."""
        time.sleep(max(0.0, self.seconds - time.perf_counter()))

    def elapsed_time(self, end: Any) -> float:
        """Return the milliseconds from this moment to another one."""
        return 1000 * float(end.seconds - self.seconds)


class Device:
    """A device that is busy for `seconds` an image and works in the order of the launches."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.free = 0.0

    def queue(self, images: int) -> tuple[Moment, Moment]:
        """Return when work on so many images begins and ends."""
        start = max(self.free, time.perf_counter())
        self.free = start + self.seconds * images
        return Moment(start), Moment(self.free)


class FakeBackbone:
    """A model on the fake device: the same attention and embedding for every image."""

    notices: Sequence[str] = ()
    device = torch.device("cpu")

    def __init__(self, info: Any, device: Device):
        self.info = info
        self.forward_passes = 0
        self.reduced: dict[int, int] = {}
        self._device = device
        self._rows: dict[tuple[int, ...], torch.Tensor] = {}

    def launch(self, pixels: Any, outputs: Sequence[Output]) -> Pending:
        """Do as `Backbone.launch` does."""
        count, side = len(pixels), pixels.shape[2]
        self.forward_passes += count
        results = {output: self._result(output, count, side) for output in outputs}
        return Pending(results, *self._device.queue(count))

    def _result(self, output: Output, count: int, side: int) -> torch.Tensor:
        shape = (count, *self.info.shape(output, side))
        if shape not in self._rows:  # made once, as no core writes the results of a device
            self._rows[shape] = torch.full(shape, 1 / shape[-1])
        return self._rows[shape]


class FakeBackbones(Backbones):
    """Models that are never loaded."""

    def __init__(self, plan: Plan, device: Device):
        super().__init__(plan.backbones, plan.experiment.run, None)
        self._fake = device

    @property
    def asynchronous(self) -> bool:
        """Return that the fake device computes by itself."""
        return True

    def _load(self, model: Any) -> Any:
        return FakeBackbone(self._infos[model.name], self._fake)


class Executor(LocalExecutor):
    """The local executor with a fake device in place of the real one."""

    def __init__(self, device: Device):
        super().__init__(lasting=True)
        self._device = device

    def backbones(self, task: Task) -> Backbones:
        """Return models on the fake device."""
        return FakeBackbones(task.plan, self._device)

    def close(self) -> None:
        """End the decoding processes."""
        self._close()
