"""Score the predictions of a cell: accuracy over all samples, by group and by class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...metrics.accuracy_intervals import Interval, cell_intervals
from ...metrics.groups import GroupAccuracy, accuracy, per_class, per_group, worst_group


@dataclass(frozen=True)
class Scores:
    """Scores are shares of right predictions, in [0, 1], over the n samples of one split.

    worst_group, worst_class: those of lowest accuracy. groups, classes: all, in their order.
    """

    n: int
    accuracy: float
    worst_group: GroupAccuracy
    worst_class: GroupAccuracy
    groups: tuple[GroupAccuracy, ...]
    classes: tuple[GroupAccuracy, ...]


def scores(content: Mapping[str, Any], arrays: Mapping[str, Any], split: str = "test") -> Scores:
    """Return the scores of a fit's record on the samples of a split.

    content, arrays: as `fit.fit_cell` returns them. split: "test" or "val".
    """
    truth, predicted = arrays[f"{split}_labels"], arrays[f"{split}_predictions"]
    groups = per_group(truth, predicted, arrays[f"{split}_groups"], content["group_names"])
    classes = per_class(truth, predicted, content["class_names"])
    return Scores(
        n=len(truth),
        accuracy=accuracy(truth, predicted),
        worst_group=worst_group(groups),
        worst_class=worst_group(classes),
        groups=tuple(groups),
        classes=tuple(classes),
    )


@dataclass(frozen=True)
class ScoreIntervals:
    """ScoreIntervals are 95 % confidence intervals in [0, 1]; None where no sample has a group."""

    accuracy: Interval
    worst_group: Interval | None
    worst_class: Interval | None


def intervals(arrays: Mapping[str, Any], split: str = "test") -> ScoreIntervals:
    """Return how sure the scores of a record are; samples of one image count as one draw."""
    correct = arrays[f"{split}_labels"] == arrays[f"{split}_predictions"]
    groups, classes = arrays[f"{split}_groups"], arrays[f"{split}_labels"]
    images = arrays[f"{split}_images"]
    by_group = cell_intervals(correct, groups, images)
    same = np.array_equal(groups, classes)
    by_class = by_group if same else cell_intervals(correct, classes, images)
    return ScoreIntervals(by_group.accuracy, by_group.wga, by_class.wga)
