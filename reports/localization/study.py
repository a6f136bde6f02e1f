"""The localisation study: what every attention map holds, with intervals; `localization.json`.

Plain frozen data that the tables and plots of this folder read. Shares, hits and the normalised
entropy are in [0, 1]; NaN means not defined.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...errors import A2pipeError
from ..json_file import FloatOrNaN, JsonFile

_MOST_BLOCKS = 10_000
_MOST_MILLIONS = 1e9
_ROUNDING = 1e-6

_WAY = ["heads", "reading", "smooth", "evaluation"]
_STUDY = ["name", "dataset", "collection", "split", "image_size", "geometry", "level"]
_LINE = [
    *("model", "family", "parameters", "kind", "block", "blocks", "registers", "patch"),
    *(*_WAY, "n_left_out", "record"),
]
_MEASURE = ["name", "crops", "n", "mean", "std", "low", "high"]


@dataclass(frozen=True)
class Measure:
    """One number over n images: mean, standard deviation (n - 1), bootstrap interval of the mean.

    The last two are NaN for a single image.

    name: "mass", "hit", "cls", "registers", "patches", "entropy", "top10", "top25" or "crop_hit".
    crops: sides of the crops in pixels of the canvas, for "crop_hit".
    """

    name: str
    n: int
    mean: FloatOrNaN
    std: FloatOrNaN
    low: FloatOrNaN
    high: FloatOrNaN
    crops: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """The name, with the crops it is about: "crop_hit 64+32"."""
        return f"{self.name} {joined(self.crops)}" if self.crops else self.name


@dataclass(frozen=True)
class Line:
    """One attention map: a block of a model, and how its heads become a map.

    model: name; family: of models, such as "DINOv2". parameters: millions, 0 where unknown.
    kind: "control" is a model that never saw an image. block: 1..blocks, counted from the input.
    registers: register tokens beside the CLS token. heads, reading, smooth: as in the experiment.
    evaluation: "pixels", "patch-centre" or "patch-overlap".
    n: images measured; n_left_out: images without an answer.
    record: fingerprint of the stored values per image. patch: side in pixels, 0 where unknown.
    """

    model: str
    family: str
    parameters: FloatOrNaN
    kind: Literal["attention", "control"]
    block: int
    blocks: int
    registers: int
    heads: str
    reading: str
    smooth: int
    evaluation: str
    n: int
    n_left_out: int
    measures: tuple[Measure, ...]
    record: str = ""
    patch: int = 0

    @property
    def way(self) -> tuple[str, str, int, str]:
        """Aggregation of heads, reading, smoothing, evaluation: all that is not the model's."""
        return self.heads, self.reading, self.smooth, self.evaluation

    def measure(self, name: str) -> Measure | None:
        """The first measure of that name, or None if it was not taken or has no mean."""
        known = (each for each in self.measures if not math.isnan(each.mean))
        return next((each for each in known if each.name == name), None)


@dataclass(frozen=True)
class Study:
    """Every map of an experiment over the images of one split.

    collection: digest of images, labels, groups, splits and boxes. split: "all" is every image.
    image_size, geometry: of the canvas, its side in pixels and how an image comes to stand on it.
    created: ISO 8601. version: of the package. resamples, level, seed: of the bootstrap.
    run: versions, device, host, command, seconds, forward passes, bad images.
    """

    name: str
    dataset: str
    collection: str
    split: str
    image_size: int
    created: str
    version: str
    resamples: int
    level: FloatOrNaN
    seed: int
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    run: dict[str, Any] = field(default_factory=dict)
    geometry: str = "squash"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as they stand in the file."""
        return STUDY_FILE.content(self)


STUDY_FILE = JsonFile(
    Study,
    1,
    "localization",
    "is no localisation study; give a localization.json of `a2pipe localize`",
    "write the study again",
)


def read_study(path: Path) -> Study:
    """The study in a `localization.json`. Raises A2pipeError when it is missing or is not one."""
    study = STUDY_FILE.read(path)
    for line in study.lines:
        _check_line(line, str(path))
    return study


def study_csv(study: Study) -> str:
    """One line a measure of a map, at full precision; several crops are joined by "+"."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["study", *_STUDY[1:], *_LINE, "measure", *_MEASURE[1:]])
    for line in study.lines:
        for measure in line.measures:
            writer.writerow(
                [*_cells(study, _STUDY), *_cells(line, _LINE), *_cells(measure, _MEASURE)]
            )
    return text.getvalue()


def shown(study: Study) -> list[Line]:
    """The lines of the way of reading attention that comes first in the study."""
    return [line for line in study.lines if line.way == study.lines[0].way]


def way_words(line: Line) -> str:
    """How attention is read: "heads: mean, slice, pixels"."""
    smoothed = "" if line.smooth == 1 else f"smooth {line.smooth}, "
    return f"heads: {line.heads}, {line.reading}, {smoothed}{line.evaluation}"


def left_out_words(study: Study) -> str:
    """How many images count for nothing and why; "" if all count."""
    bad = study.run.get("bad_images")
    unusable = len(bad) if isinstance(bad, list) else 0
    counts = [line.n_left_out for line in study.lines]
    without = f"{max(counts, default=0):,} without an answer to every measure"
    varies = " (at most; see n_left_out)" if len(set(counts)) > 1 else ""
    parts = [without + varies] if any(counts) else []
    parts += [f"{unusable:,} that could not be used"] if unusable else []
    return f"images left out: {', '.join(parts)}" if parts else ""


def study_table(study: Study) -> list[dict[str, Any]]:
    """One line a map for a terminal: means only, and of `way` what is not the same everywhere."""
    varying = [key for key in _WAY if len({getattr(line, key) for line in study.lines}) > 1]
    labels = dict.fromkeys(each.label for line in study.lines for each in line.measures)
    return [_table_line(line, varying, labels) for line in study.lines]


def _table_line(line: Line, varying: Iterable[str], labels: Iterable[str]) -> dict[str, Any]:
    means = {each.label: each.mean for each in line.measures}
    return {
        "model": line.model,
        "block": f"{line.block}/{line.blocks}",
        **{key: getattr(line, key) for key in varying},
        "n": line.n,
        **{label: means.get(label, "-") for label in labels},
    }


def _cells(data: Any, keys: Iterable[str]) -> list[Any]:
    """Fields as cells of a CSV: what is not defined is empty."""
    values = (getattr(data, key) for key in keys)
    return [joined(value) if isinstance(value, tuple) else _cell(value) for value in values]


def _cell(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def joined(crops: Iterable[int]) -> str:
    """A crop list in words: "64+32"."""
    return "+".join(map(str, crops))


def _check_line(line: Line, where: str) -> None:
    """Refuse what no measuring gives, and no plot could show."""
    shares = [each for m in line.measures for each in (m.mean, m.low, m.high)]
    if any(not -_ROUNDING <= share <= 1 + _ROUNDING for share in shares if not math.isnan(share)):
        raise A2pipeError(f"{where} has a measure of {line.model} that is not in [0, 1]; mend it.")
    if not 1 <= line.block <= line.blocks <= _MOST_BLOCKS:
        raise A2pipeError(f"{where} has a block of {line.model} that cannot be; mend it.")
    if not 0 <= line.parameters <= _MOST_MILLIONS:
        raise A2pipeError(f"{where} has a size of {line.model} that cannot be; mend it.")
