"""A masking probe holds the accuracy of models on images of which more and more is hidden.

It is plain frozen data that `masking.json` holds and the table and the plot read. Accuracies are in
[0, 1]; NaN means that a number is not defined.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import A2pipeError
from ..json_file import FloatOrNaN, JsonFile
from ..tables import csv_text

_WAY = ["pool", "score", "fill", "head"]
_COLUMNS = [
    *("probe", "dataset", "collection", "image_size", "geometry", "seed", "level"),
    *("model", *_WAY, "order", "patches", "masked", "n", "accuracy", "low", "high"),
]


@dataclass(frozen=True)
class Point:
    """A Point is the accuracy with some patches masked.

    masked: how many. n: the test samples. accuracy: the share of them whose class is predicted.
    low, high: the ends of its interval.
    """

    masked: int
    n: int
    accuracy: FloatOrNaN
    low: FloatOrNaN
    high: FloatOrNaN


@dataclass(frozen=True)
class Curve:
    """A Curve is the accuracy of a model as patches are masked in one order.

    model: its name. pool: of the embedding that the head reads. score: what ranks the patches, such
    as "patch-score:cls", or "attention block 11" where not the last block alone is taken.
    order: "highest" or "lowest" first, or "random". fill: what stands on masked patches. head: what
    predicts. patches: how many an image has. points: with ever more patches masked.
    """

    model: str
    pool: str
    score: str
    order: str
    fill: str
    head: str
    patches: int
    points: tuple[Point, ...]

    @property
    def way(self) -> tuple[str, str, str, str, str]:
        """Return what curves of one panel share, which differ in the order alone."""
        return self.model, self.pool, self.score, self.fill, self.head


@dataclass(frozen=True)
class MaskingProbe:
    """A MaskingProbe is every curve of an experiment on the test images of a dataset.

    name: of the experiment. dataset: its name. collection: digest of images, labels, groups, splits
    and boxes. image_size, geometry: of the canvas. seed: of the random order. level: of the
    intervals. created: the moment in ISO 8601. version: of the package. curves: in the order in
    which they are shown. notes: paragraphs that a reader must see. run: versions, device, command,
    seconds, forward passes and bad images.
    """

    name: str
    dataset: str
    collection: str
    image_size: int
    geometry: str
    seed: int
    level: FloatOrNaN
    created: str
    version: str
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = ()
    run: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as they stand in the file."""
        return PROBE_FILE.content(self)


PROBE_FILE = JsonFile(
    MaskingProbe,
    1,
    "masking",
    "is no masking probe; give a masking.json of `a2pipe probe-masking`",
    "make the probe again",
)


def read_probe(path: Path) -> MaskingProbe:
    """Return the probe in a `masking.json`.

    Raises A2pipeError if the file is missing, is none, or holds numbers that cannot be.
    """
    probe = PROBE_FILE.read(path)
    for curve in probe.curves:
        if any(not 0 <= point.masked <= curve.patches for point in curve.points):
            raise A2pipeError(f"{path} masks patches of {curve.model} that it has not; mend it.")
    return probe


def probe_csv(probe: MaskingProbe) -> str:
    """Return one line for each point of a curve, at full precision."""
    return csv_text(
        _COLUMNS,
        (
            {**vars(probe), **vars(curve), **vars(point), "probe": probe.name}
            for curve in probe.curves
            for point in curve.points
        ),
    )


def probe_table(probe: MaskingProbe) -> list[dict[str, Any]]:
    """Return a line for each curve with its accuracies by masked patches, for a terminal.

    Of pool, score, fill and head that alone stands there which differs between curves.
    """
    varying = [key for key in _WAY if len({getattr(curve, key) for curve in probe.curves}) > 1]
    steps = sorted({point.masked for curve in probe.curves for point in curve.points})
    return [_line(curve, varying, steps) for curve in probe.curves]


def _line(curve: Curve, varying: list[str], steps: list[int]) -> dict[str, Any]:
    known = {point.masked: point.accuracy for point in curve.points}
    return {
        "model": curve.model,
        **{key: getattr(curve, key) for key in varying},
        "order": curve.order,
        "n": curve.points[0].n,
        **{str(step): known.get(step, "-") for step in steps},
    }
