"""Compute our value of a published number from predictions, attention maps, counts or crops."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.collection import Collection
from ..errors import A2pipeError
from ..metrics.groups import accuracy, per_class, per_group, worst_group
from ..metrics.strata import centre_distances, distance_strata
from ..pipeline.planning.rows import PlanRow
from ..pipeline.results.cells import CellResult
from ..reports.localization.study import Line, Measure
from ..stages.fits.samples import grouping
from .cells import CANVAS, PaperCell, PaperMap, Source, Target
from .published import Number
from .results import Measured

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """A Found is a fitted cell, and the collection in which its samples have their positions."""

    cell: CellResult
    collection: Collection


_BY_CONTEXT = ("class-context groups", "context tags")

Results = Mapping[PaperCell, Found]
Lines = Mapping[PaperMap, Line]


def source_of(row: PlanRow) -> Source:
    """Return the source that a row of a plan is, in the words of the presets."""
    if row.map is not None:
        return Source(row.attention, row.crops, row.map.heads)
    crops = row.crops if row.baseline.startswith("random") else ()
    return Source(crops=crops, baseline=row.baseline)


def predictions(cell: CellResult, split: str = "test") -> tuple[Integers, Integers]:
    """Return the positions in the collection and the predicted classes of a split's samples.

    split: "test" or "val". Both are int64 (n,).
    """
    return cell.arrays[f"{split}_index"], cell.arrays[f"{split}_predictions"]


def of_cells(target: Target, results: Results) -> Measured:
    """Return the mean over the target's cells, in per cent.

    It is NaN, with the reason, if a cell was not computed or has no score.
    """
    number = target.number
    found = [results[cell] for cell in target.cells if cell in results]
    if not found or len(found) < len(target.cells):
        return Measured(number.key, math.nan, reason="was not computed")
    try:
        scores = [_score(number, each) for each in found]
    except A2pipeError as error:
        return Measured(number.key, math.nan, reason=str(error))
    values, sizes = zip(*scores, strict=True)
    spread = stdev(values) if len(values) > 1 else math.nan
    records = tuple(each.cell.record for each in found)
    reason = "" if sizes[0] else f"no test sample is in {number.subset!r}"
    return Measured(number.key, fmean(values), spread, len(found), sizes[0], records, reason)


def _score(number: Number, found: Found) -> tuple[float, int]:
    """Return the metric over the number's subset of test samples, in per cent, and their number."""
    index, predicted = predictions(found.cell)
    chosen = subset(number, index, found.collection)
    score = metric(number.metric, index[chosen], predicted[chosen], found.collection)
    return 100 * score, len(chosen)


def subset(number: Number, index: Integers, collection: Collection) -> Integers:
    """Return which of the test samples a number is about, as positions in `index`.

    They are all samples, those of a group, or a stratum by the distance of the object from the
    centre (table 18).

    Raises:
        A2pipeError: a stratum is asked for, and a sample has no box or no size.
    """
    groups, names = grouping(collection)
    if number.subset in names:
        return np.flatnonzero(groups[index] == names.index(number.subset))
    if not number.subset:
        return np.arange(len(index))
    boxes = [collection.boxes[sample] for sample in index]
    distances = centre_distances(boxes, collection.sizes[index], CANVAS)
    ids = [collection.image_ids[sample] for sample in index]
    return distance_strata(distances, ids)[number.subset]


def metric(name: str, index: Integers, predicted: Integers, collection: Collection) -> float:
    """Return a metric of predictions, in [0, 1]; NaN if there is no sample.

    name: "accuracy", "wga" or "worst_class". index: positions in the collection, (n,). predicted:
    their predicted classes, (n,).
    """
    truth = collection.labels[index]
    if not len(truth):
        return math.nan
    if name == "accuracy":
        return accuracy(truth, predicted)
    if name == "worst_class":
        return worst_group(per_class(truth, predicted, collection.class_names)).accuracy
    groups, names = grouping(collection)
    return worst_group(per_group(truth, predicted, groups[index], names)).accuracy


def of_map(target: Target, lines: Lines) -> Measured:
    """Return a measure of an attention map, as the share that the paper prints.

    It is NaN, with the reason, if the map was not computed or its images have no boxes.
    """
    number = target.number
    line = lines.get(target.map) if target.map else None
    if line is None:
        return Measured(number.key, math.nan, reason="was not computed")
    found: Measure | None = line.measure(number.metric)
    if found is None:
        return Measured(number.key, math.nan, reason="the dataset's boxes are not there")
    return Measured(number.key, found.mean, found.std, 1, found.n, (line.record,))


def of_crops(number: Number) -> Measured:
    """Return the share of the image that the crops cover, in per cent."""
    return Measured(number.key, 100 * sum(side**2 for side in number.crops) / CANVAS**2)


def of_counts(number: Number, collection: Collection) -> Measured:
    """Return a number of table 4: how many pairs, groups, contexts or images a split has.

    It is NaN, with the reason, if the dataset does not have what is counted.
    """
    samples = np.flatnonzero(collection.splits == number.split)
    counted: dict[str, Any] = {
        "images": samples,
        "image ids": {collection.image_ids[i] for i in samples},
        "class-context groups": set(collection.groups[samples].tolist()),
        "context tags": {_context(collection, int(i)) for i in samples},
    }
    if number.subset in collection.class_names:
        label = collection.class_names.index(number.subset)
        counted[number.subset] = samples[collection.labels[samples] == label]
    if number.subset in _BY_CONTEXT and not any("(" in name for name in collection.group_names):
        return Measured(number.key, math.nan, reason="the groups do not name contexts")
    if number.subset not in counted:
        return Measured(number.key, math.nan, reason=f"the dataset has no {number.subset!r}")
    return Measured(number.key, float(len(counted[number.subset])))


def _context(collection: Collection, sample: int) -> str:
    """Return the context of a sample whose group is class(context); "" for a sample of none."""
    group = int(collection.groups[sample])
    return collection.group_names[group].partition("(")[2] if group >= 0 else ""
