"""The statistics of a run count what it did, and tell where its time went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

DECODE, DEVICE, DISK = "decode", "device", "disk"
WORTH_A_REMARK = 0.2
"""A wait for less than this share of the time is not worth a change."""


@dataclass
class Throughput:
    """The throughput is that of the thread that feeds the device.

    seconds: from the first shard to the last; of several workers, their sum. images: how many went
    by in these seconds. waited: seconds of these in which the thread waited, by what it waited for:
    decoded images ("decode"), the device ("device") or files ("disk").
    """

    seconds: float = 0.0
    images: int = 0
    waited: dict[str, float] = field(default_factory=dict)

    def add_wait(self, what: str, seconds: float) -> None:
        """Add to the seconds waited for one of decode, device and disk."""
        self.waited[what] = self.waited.get(what, 0.0) + seconds

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Count the time of a block as waited for one of decode, device and disk."""
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
        """Return the share of the seconds waited for something, in [0, 1].

        The three shares need not add up to 1: the rest is bookkeeping between waits.
        """
        return self.waited.get(what, 0.0) / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return images, seconds, images a second, the three shares and the advice by name."""
        return {
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images / self.seconds, 2) if self.seconds else 0.0,
            **{f"share_{what}": round(self.share(what), 4) for what in (DECODE, DEVICE, DISK)},
            "advice": self.advice(),
        }

    def advice(self) -> str:
        """Return a sentence on what holds the run up and what to change, or an empty string."""
        worst = max((DECODE, DEVICE, DISK), key=self.share)
        return _ADVICE[worst] if self.share(worst) >= WORTH_A_REMARK else ""

    def words(self) -> str:
        """Return one line for a person: the rate, the shares, and the advice where there is any."""
        shares = ", ".join(f"{self.share(what):.0%} {what}" for what in (DECODE, DEVICE, DISK))
        rate = self.images / self.seconds if self.seconds else 0.0
        line = f"{rate:,.0f} images/s; waited on {shares}"
        return f"{line}: {self.advice()}" if self.advice() else line


@dataclass
class RunStats:
    """The statistics say what a run did.

    shards: shards computed. shards_in_vain: those of them of which another process committed a part
    while this one computed it; rows_in_vain: the rows of these parts, one for each image and spec.
    decoded: images decoded, each time one was. forward_passes: images sent through each model, by
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
    "if more runs on these images follow, --draft for large JPEG files",
    DEVICE: "the device is the bottleneck: a larger --batch-size, --precision bf16 or a GPU, or "
    "several of them with --rank and --world-size",
    DISK: "the disk is the bottleneck: put the cache on a faster disk",
}
