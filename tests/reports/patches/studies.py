"""Made-up studies of patches of the shape real ones have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from a2pipe.metrics.patches.distribution import describe
from a2pipe.metrics.patches.foreground import ALL, BACKGROUND, FOREGROUND
from a2pipe.reports.patches.study import PatchLine, PatchStudy


def line(statistic: str = "norm", *, sides: bool = True, **changes: object) -> PatchLine:
    """A statistic of 500 patches, of which 100 are foreground."""
    rng = np.random.default_rng(1)
    values = rng.random(500).astype(np.float32)
    scale = 50 if statistic.startswith("norm") else 1
    groups = {ALL: scale * values}
    if sides:
        groups |= {FOREGROUND: scale * values[:100], BACKGROUND: scale * values[100:]}
    found = describe(lambda: [groups], cut=40 if scale > 1 else None)
    plain = PatchLine(
        model="dinov2_vits14",
        family="DINOv2",
        parameters=22.0,
        kind="attention",
        registers=0,
        patch=14,
        statistic=statistic,
        images=10,
        images_with_sides=8 if sides else 0,
        distributions=tuple(found.values()),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def study(*lines: PatchLine, cut: float | None = 40.0) -> PatchStudy:
    """A study with these lines."""
    return PatchStudy(
        name="birds",
        dataset="waterbirds",
        collection="c0ffee",
        split="test",
        image_size=224,
        geometry="squash",
        created="2026-01-01T00:00:00+00:00",
        version="1",
        cut=cut,
        lines=lines,
    )
