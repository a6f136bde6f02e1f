"""Made-up masking probes of the shape real ones have."""

from __future__ import annotations

from dataclasses import replace
from math import nan

from a2pipe.reports.masking.probe import Curve, MaskingProbe, Point


def curve(order: str = "highest", **changes: object) -> Curve:
    """A curve at none, half and all of 196 patches, of which the last has no accuracy."""
    points = (
        Point(0, 50, 0.8, 0.7, 0.9),
        Point(98, 50, 0.5, 0.4, 0.6),
        Point(196, 50, nan, nan, nan),
    )
    plain = Curve("vit", "cls", "patch-score:cls", order, "zero", "linear", 196, points)
    return replace(plain, **changes)  # type: ignore[arg-type]


def probe(*curves: Curve, **changes: object) -> MaskingProbe:
    plain = MaskingProbe(
        "birds", "birds", "ab" * 16, 224, "squash", 0, 0.95, "2026", "0", curves, ("A note.",)
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


PAPER = {"model": "vit_base_patch16_224.augreg_in1k", "pool": "native", "head": "own"}
PAPER_IMAGES = {"dataset": "imagenet-val", "geometry": "short-256"}
