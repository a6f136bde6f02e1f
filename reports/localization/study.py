"""A localisation study holds what was measured of every attention map, with intervals.

It is plain frozen data that `localization.json` holds and the tables and plots read. All measures
are in [0, 1]; NaN means that a number is not defined.
"""

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...errors import A2pipeError
from ..json_file import FloatOrNaN, JsonFile
from ..tables import csv_text

_MOST_BLOCKS = 10_000
_MOST_MILLIONS = 1e9
_ROUNDING = 1e-6

_WAY = ["source", "heads", "reading", "smooth", "evaluation"]
_COLUMNS = [
    *("study", "dataset", "collection", "split", "image_size", "geometry", "level"),
    *("model", "family", "parameters", "kind", "block", "blocks", "registers", "patch"),
    *(*_WAY, "n_left_out", "record"),
    *("measure", "crops", "n", "mean", "std", "low", "high"),
]


@dataclass(frozen=True)
class Measure:
    """A Measure is one measure of an attention map, taken over n images.

    name: "mass", "hit", "cls", "registers", "patches", "entropy", "top10", "top25" or "crop_hit";
        of the rules of Point-in-Box, "point_in_box" and "inside", the share of patches inside.
    n: the images that have the number.
    mean: over these images, in [0, 1].
    std: the standard deviation over images (n - 1 in the denominator); NaN for a single image.
    low, high: the ends of the bootstrap interval of the mean; NaN for a single image.
    crops: the sides of the crops in pixels of the canvas, for "crop_hit"; else empty.
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
        """Return the name with the crops that it is about, such as "crop_hit 64+32"."""
        return f"{self.name} {joined(self.crops)}" if self.crops else self.name


@dataclass(frozen=True)
class Line:
    """A Line is one attention map and what was measured of it: a block of a model, read in one way.

    model: its name.
    family: the models that it belongs to, such as "DINOv2".
    parameters: of the model, in millions; 0 where unknown.
    kind: "control" for a model with random weights.
    block: from 1 to `blocks`, counted from the input.
    blocks: of the model.
    registers: the number of register tokens beside the CLS token.
    heads, reading, smooth: how the heads become a map, as in the experiment.
    evaluation: where it is compared: "pixels", "patch-centre" or "patch-overlap"; or by a rule of
        Point-in-Box, "point-in-box" or "centre".
    n: the images that were measured.
    n_left_out: the images for which some measure has no answer.
    measures: in the order in which they are shown.
    record: the fingerprint of the stored values of each image.
    patch: the side of a patch in pixels; 0 where unknown.
    source: what the map is made of, "attention" or a statistic of patches.
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
    source: str = "attention"

    @property
    def way(self) -> tuple[str, str, str, int, str]:
        """Return how the map is made and compared, whatever the model and the block are."""
        return self.source, self.heads, self.reading, self.smooth, self.evaluation

    def measure(self, name: str) -> Measure | None:
        """Return the first measure of that name, or None if it was not taken or has no mean."""
        known = (each for each in self.measures if not math.isnan(each.mean))
        return next((each for each in known if each.name == name), None)


@dataclass(frozen=True)
class Study:
    """A Study is every attention map of an experiment, measured over the images of one split.

    name: of the experiment.
    dataset: its name.
    collection: the digest of images, labels, groups, splits and boxes.
    split: "train", "val", "test", or "all" for every image.
    image_size: the side of the canvas in pixels.
    created: the moment in ISO 8601.
    version: of the package.
    resamples, level, seed: of the bootstrap intervals; level is a share such as 0.95.
    lines: one for each map.
    notes: paragraphs that a reader must see before any number.
    run: versions, device, host, command, seconds, forward passes and bad images.
    geometry: how an image is brought to the canvas, as in the experiment.
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
    """Return the study in a `localization.json`.

    Raises A2pipeError if the file is missing, is none, or holds numbers that cannot be.
    """
    study = STUDY_FILE.read(path)
    for line in study.lines:
        _check_line(line, str(path))
    return study


def study_csv(study: Study) -> str:
    """Return one line for each measure of a map, at full precision, with several crops joined by
    "+"."""
    return csv_text(
        _COLUMNS,
        (
            {
                **vars(study),
                **vars(line),
                **vars(measure),
                "study": study.name,
                "measure": measure.name,
                "crops": joined(measure.crops),
            }
            for line in study.lines
            for measure in line.measures
        ),
    )


def shown(study: Study) -> list[Line]:
    """Return the lines that read attention in the way of the study's first line."""
    return [line for line in study.lines if line.way == study.lines[0].way]


def way_words(line: Line) -> str:
    """Return how a map was made, such as "heads: mean, slice, pixels" or "votes:49, pixels"."""
    smoothed = "" if line.smooth == 1 else f"smooth {line.smooth}, "
    heads = f"heads: {line.heads}, {line.reading}"
    return f"{heads if line.source == 'attention' else line.source}, {smoothed}{line.evaluation}"


def left_out_words(study: Study) -> str:
    """Return how many images were left out and why, or "" if none was."""
    bad = study.run.get("bad_images")
    unusable = len(bad) if isinstance(bad, list) else 0
    counts = [line.n_left_out for line in study.lines]
    without = f"{max(counts, default=0):,} without an answer to every measure"
    varies = " (at most; see n_left_out)" if len(set(counts)) > 1 else ""
    parts = [without + varies] if any(counts) else []
    parts += [f"{unusable:,} that could not be used"] if unusable else []
    return f"images left out: {', '.join(parts)}" if parts else ""


def study_table(study: Study) -> list[dict[str, Any]]:
    """Return a line for each map, with the means of its measures, for a terminal.

    Of the `way` only that stands there which differs between lines, and a source or a rule of
    Point-in-Box that a reader would not expect.
    """
    varying = [key for key in _WAY if _is_told(key, {getattr(line, key) for line in study.lines})]
    labels = dict.fromkeys(each.label for line in study.lines for each in line.measures)
    return [_table_line(line, varying, labels) for line in study.lines]


def _is_told(key: str, values: Set[Any]) -> bool:
    unexpected = {
        "source": values - {"attention"},
        "evaluation": values & {"point-in-box", "centre"},
    }
    return len(values) > 1 or bool(unexpected.get(key))


def _table_line(line: Line, varying: Iterable[str], labels: Iterable[str]) -> dict[str, Any]:
    means = {each.label: _in_table(each) for each in line.measures}
    return {
        "model": line.model,
        "block": f"{line.block}/{line.blocks}",
        **{key: getattr(line, key) for key in varying},
        "n": line.n,
        **{label: means.get(label, "-") for label in labels},
    }


def _in_table(measure: Measure) -> float | str:
    """Return a mean; that of Point-in-Box, which is one share of few images, with its interval."""
    if measure.name != "point_in_box":
        return measure.mean
    return f"{measure.mean:.4f} [{measure.low:.4f}, {measure.high:.4f}]"


def joined(crops: Iterable[int]) -> str:
    """Return a crop list in words, such as "64+32"."""
    return "+".join(map(str, crops))


def _check_line(line: Line, where: str) -> None:
    """Refuse numbers that cannot have been measured, with which a plot could not be drawn."""
    shares = [each for m in line.measures for each in (m.mean, m.low, m.high)]
    if any(not -_ROUNDING <= share <= 1 + _ROUNDING for share in shares if not math.isnan(share)):
        raise A2pipeError(f"{where} has a measure of {line.model} that is not in [0, 1]; mend it.")
    if not 1 <= line.block <= line.blocks <= _MOST_BLOCKS:
        raise A2pipeError(f"{where} has a block of {line.model} that cannot be; mend it.")
    if not 0 <= line.parameters <= _MOST_MILLIONS:
        raise A2pipeError(f"{where} has a size of {line.model} that cannot be; mend it.")
