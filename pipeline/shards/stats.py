"""The statistics of a run count what it did, and tell where its time went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

DECODE, DEVICE, DISK, HOST = "decode", "device", "disk", "host"
SHARES, RESULTS = (DEVICE, DECODE, DISK, HOST), "results"
DECODE_ON_GPU = "decode on GPU"
WORTH_A_REMARK = 0.2
"""Idleness for less than this share of the time is not worth a change."""


@dataclass
class Throughput:
    """The throughput tells what the device was doing, and why it was doing nothing.

    seconds: from the first shard to the last, without those in which models were waited for to be
    loaded; of several workers, their sum. images: how many went by in these seconds. busy: seconds
    of these in which the device had work.
    waited: seconds in which the thread that feeds it waited, by what it waited for: images that
    processes decode ("decode") or a GPU ("decode on GPU"), files ("disk"), or results of the device
    and what is made of them beside it ("results"). launching: seconds in which it queued work,
    which on a CPU are those of the work.
    decoders_idle: seconds in which no image was being decoded.
    """

    seconds: float = 0.0
    images: int = 0
    busy: float = 0.0
    waited: dict[str, float] = field(default_factory=dict)
    launching: float = 0.0
    decoders_idle: float = 0.0

    def add_wait(self, what: str, seconds: float) -> None:
        """Add to the seconds waited for decode, disk or results."""
        self.waited[what] = self.waited.get(what, 0.0) + seconds

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Count the time of a block as waited for decode, disk or results."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add_wait(what, time.perf_counter() - start)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of a block as time in which the device was fed."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start

    def share(self, what: str) -> float:
        """Return what share of the seconds went to something, in [0, 1]; the four add up to 1.

        what: "device" for the time in which it had work. The rest, in which it had none, is divided
        by what the thread that feeds it did in its own time: it waited for images ("decode") or for
        files ("disk"), or did something else ("host").
        """
        if not self.seconds:
            return 0.0
        device = min(self.busy / self.seconds, 1.0)
        if what == DEVICE:
            return device
        waits = {cause: self.waited.get(cause, 0.0) for cause in (DECODE, DISK)}
        waits[DECODE] += self.waited.get(DECODE_ON_GPU, 0.0)
        # Work of a CPU is done while it is queued, so that time is the device's, not the thread's.
        own = self.waited.get(RESULTS, 0.0) + min(self.launching, self.busy)
        waits[HOST] = max(self.seconds - own - sum(waits.values()), 0.0)
        return (1 - device) * waits[what] / (sum(waits.values()) or 1.0)

    def to_json(self) -> dict[str, Any]:
        """Return images, seconds, images a second, the shares and the advice by name."""
        return {
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images / self.seconds, 2) if self.seconds else 0.0,
            **{
                f"share_{what}": round(self.share(what), 4) for what in (DEVICE, DECODE, DISK, HOST)
            },
            "share_decoders_idle": round(self.share_decoders_idle, 4),
            "advice": self.advice(),
        }

    @property
    def share_decoders_idle(self) -> float:
        """Return the share of the seconds in which no image was being decoded."""
        return min(self.decoders_idle / self.seconds, 1.0) if self.seconds else 0.0

    @property
    def bottleneck(self) -> str:
        """Return which of device, decode, disk and host holds the run up.

        Of decoders and device, which wait for each other, it is the one that waits less.
        """
        worst, idle = max((DECODE, DISK, HOST), key=self.share), 1 - self.share(DEVICE)
        if worst == DECODE:
            return DEVICE if idle <= min(self.share_decoders_idle, WORTH_A_REMARK) else DECODE
        return worst if self.share(worst) >= WORTH_A_REMARK else DEVICE

    def advice(self) -> str:
        """Return a sentence on what holds the run up and what to change; "" where nothing ran."""
        worst = self.bottleneck
        if worst == DECODE:
            if self.waited.get(DECODE_ON_GPU, 0.0) > self.waited.get(DECODE, 0.0):
                return _ADVICE[DECODE_ON_GPU]
            if self.share_decoders_idle >= WORTH_A_REMARK:
                return _NO_ROOM
        return _ADVICE[worst] if self.seconds else ""

    def words(self) -> str:
        """Return one line for a person: the rate, the shares, and the advice where there is any."""
        device, decode, disk, host = map(self.share, SHARES)
        rate = self.images / self.seconds if self.seconds else 0.0
        line = (
            f"{rate:,.0f} images/s; the device worked {device:.0%} of the time, and waited "
            f"{decode:.0%} for decoding, {disk:.0%} for the disk, {host:.0%} for this process"
        )
        return f"{line}: {self.advice()}" if self.advice() else line


@dataclass
class RunStats:
    """The statistics say what a run did.

    shards: shards computed. shards_in_vain: those of them of which another process committed a part
    while this one computed it; rows_in_vain: the rows of these parts, one for each image and spec.
    decoded: images decoded, each time one was. left_to_pillow: those of them that a GPU was to
    decode, and that nvJPEG does not read. forward_passes: images sent through each model, by
    the model's name. seconds: by stage and activity; they overlap, so they do not add up. device:
    where the models ran ("cpu", "cuda:0"), or an empty string if none was needed. throughput: see
    `Throughput`.
    """

    shards: int = 0
    shards_in_vain: int = 0
    rows_in_vain: int = 0
    decoded: int = 0
    forward_passes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = ""
    throughput: Throughput = field(default_factory=Throughput)
    left_to_pillow: int = 0

    def spend(self, what: str, seconds: float) -> None:
        """Add to the time that an activity or a stage has taken."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds

    def add(self, other: RunStats) -> None:
        """Add what was done elsewhere to every field of this."""
        _add_fields(self, other)


def _add_fields(here: Any, there: Any) -> None:
    """Merge a dataclass into another of its kind, field by field.

    Numbers are added, mappings key by key, dataclasses field by field; of two texts the first that
    is not empty stays.
    """
    for each in fields(here):
        mine, theirs = getattr(here, each.name), getattr(there, each.name)
        if isinstance(mine, dict):
            mine.update({key: mine.get(key, 0) + value for key, value in theirs.items()})
        elif isinstance(mine, str):
            setattr(here, each.name, mine or theirs)
        elif isinstance(mine, int | float):
            setattr(here, each.name, mine + theirs)
        else:
            _add_fields(mine, theirs)


_ADVICE = {
    DECODE: "decoding is the bottleneck: --workers N if there are cores to spare, --cache-pixels "
    "if more runs on these images follow, --draft for large JPEG files, --decode nvjpeg where "
    "there is a CUDA device",
    DECODE_ON_GPU: "the GPU's decoding is the bottleneck: --cache-pixels if more runs on these "
    "images follow, or --decode pillow with many cores",
    DEVICE: "the device is the bottleneck: --precision bf16 or a GPU, or several of them with "
    "--gpus all or --rank and --world-size",
    DISK: "the disk is the bottleneck: put the cache on a faster disk",
    HOST: "the process that feeds the device is the bottleneck: leave it a core of its own, by a "
    "smaller --workers or fewer other programs",
}
_NO_ROOM = (
    "memory is the bottleneck: it holds so few batches that decoding and the device wait for each "
    "other; a smaller --batch-size"
)
