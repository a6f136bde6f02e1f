"""Where the time of a run went, and what to change: what the device waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

DECODE, DEVICE, DISK = "decode", "device", "disk"
WORTH_A_REMARK = 0.2
"""Share of the time below which a wait is not worth a change."""


@dataclass
class Waits:
    """Of the thread that feeds the device: seconds in which it waited for decoded images, for the
    device, for the disk; of those in `seconds`, from the first shard to the last."""

    seconds: float = 0.0
    images: int = 0
    spent: dict[str, float] = field(default_factory=dict)

    def on(self, what: str) -> Callable[[float], None]:
        """What adds to the time spent on one of decode, device and disk."""

        def add(seconds: float) -> None:
            self.spent[what] = self.spent.get(what, 0.0) + seconds

        return add

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Count the time of a block as spent on one of them."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.on(what)(time.perf_counter() - start)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Count the time of a block as that of the run."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start

    def share(self, what: str) -> float:
        """In [0, 1]; what is missing to 1 over all three is bookkeeping."""
        return self.spent.get(what, 0.0) / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Images, seconds, images a second and the three shares."""
        return {
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images / self.seconds, 2) if self.seconds else 0.0,
            **{f"share_{what}": round(self.share(what), 4) for what in (DECODE, DEVICE, DISK)},
            "advice": self.advice(),
        }

    def advice(self) -> str:
        """What holds the run up and what to change, or an empty string."""
        worst = max((DECODE, DEVICE, DISK), key=self.share)
        return _ADVICE[worst] if self.share(worst) >= WORTH_A_REMARK else ""

    def words(self) -> str:
        """One line for a person."""
        shares = ", ".join(f"{self.share(what):.0%} {what}" for what in (DECODE, DEVICE, DISK))
        rate = self.images / self.seconds if self.seconds else 0.0
        line = f"{rate:,.0f} images/s; waited on {shares}"
        return f"{line}: {self.advice()}" if self.advice() else line


@dataclass
class RunStats:
    """What a run did: counts of shards and of images decoded, each time one was; seconds by stage
    and activity (they overlap).

    shards_in_vain, rows_in_vain: shards of which another process committed a part while this one
    computed it, and the rows of those parts: one for each image and spec.
    """

    shards: int = 0
    shards_in_vain: int = 0
    rows_in_vain: int = 0
    decoded: int = 0
    forward_passes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = ""
    waits: Waits = field(default_factory=Waits)

    def spend(self, what: str, seconds: float) -> None:
        """Add to the time that an activity or a stage has taken."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds

    def add(self, other: RunStats) -> None:
        """Add the counts and seconds of a run elsewhere."""
        self.shards += other.shards
        self.decoded += other.decoded
        self.device = self.device or other.device
        for name, passes in other.forward_passes.items():
            self.forward_passes[name] = self.forward_passes.get(name, 0) + passes
        for name, seconds in other.seconds.items():
            self.spend(name, seconds)


_ADVICE = {
    DECODE: "decoding is the bottleneck: --workers N if there are cores to spare, --cache-pixels "
    "if more runs on these images follow, --draft for large JPEG files",
    DEVICE: "the device is the bottleneck: a larger --batch-size, --precision bf16 or a GPU, or "
    "several of them with --rank and --world-size",
    DISK: "the disk is the bottleneck: put the cache on a faster disk",
}
