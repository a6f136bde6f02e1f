"""Accuracy over all samples, per group, per class, of the worst group; fractions in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError

Labels = NDArray[Any]


@dataclass(frozen=True)
class GroupAccuracy:
    """Share of a group's n samples that are right; NaN for a group without samples."""

    name: str
    n: int
    accuracy: float


def accuracy(labels: Labels, predictions: Labels) -> float:
    """Plain share of right predictions, the "average accuracy" of A²'s tables.

    Raises A2pipeError if there are no samples.
    """
    right = _right(labels, predictions)
    if not len(right):
        raise A2pipeError("There is no sample to score: the split is empty.")
    return float(right.mean())


def per_group(
    labels: Labels, predictions: Labels, groups: NDArray[Any], names: Sequence[str]
) -> list[GroupAccuracy]:
    """Accuracy within each group, in the order of `names`.

    groups: (N,) index into `names`; samples with a negative index belong to no group.
    """
    right = _right(labels, predictions)
    members = groups >= 0
    sizes = np.bincount(groups[members], minlength=len(names))
    hits = np.bincount(groups[members], weights=right[members], minlength=len(names))
    return [
        GroupAccuracy(name, int(n), float(hit / n) if n else math.nan)
        for name, n, hit in zip(names, sizes, hits, strict=True)
    ]


def per_class(
    labels: NDArray[Any], predictions: Labels, class_names: Sequence[str]
) -> list[GroupAccuracy]:
    """Recall of each class, in the order of `class_names`; labels are indices into them."""
    return per_group(labels, predictions, labels, class_names)


def worst_group(groups: Sequence[GroupAccuracy]) -> GroupAccuracy:
    """The group of smallest accuracy among those that have samples (WGA, as WILDS counts it).

    Of equally bad groups the first. Raises A2pipeError if no group has samples.
    """
    return min(_filled(groups), key=lambda group: group.accuracy)


def balanced(groups: Sequence[GroupAccuracy]) -> float:
    """Mean accuracy over the groups, or classes, that have samples: each weighs the same.

    Over `per_class` this is the balanced accuracy. Raises A2pipeError if no group has samples.
    """
    return float(np.mean([group.accuracy for group in _filled(groups)]))


def adjusted_average(groups: Sequence[GroupAccuracy], train_sizes: Sequence[int]) -> float:
    """Test accuracy of the groups weighted by their share of training (GroupDRO's Waterbirds).

    train_sizes: training samples of each group, in the order of `groups`.
    Raises A2pipeError if a group that has training samples has no test samples, or none has any.
    """
    pairs = [(g, size) for g, size in zip(groups, train_sizes, strict=True) if size]
    if not pairs or any(group.n == 0 for group, _ in pairs):
        raise A2pipeError(
            "The adjusted average needs test samples of every group that occurs in training."
        )
    weighted = sum(group.accuracy * size for group, size in pairs)
    return float(weighted / sum(size for _, size in pairs))


def stratified(
    values: Sequence[float], weights: Sequence[float], *, literal: bool = False
) -> float:
    """M_adj, a metric over K strata of the test set: sum w_k M_k / sum w_k.

    literal: (1/K) sum w_k M_k instead, the form that VISI-FIN prints (id 2604.01283), which is K
    times too small for weights that add to 1; the two agree where they add to K.

    values: the metric on each stratum; weights: at least 0, not all 0.
    Raises A2pipeError for weights that are not so, or a stratum of NaN that has weight.
    """
    pairs = list(zip(values, weights, strict=True))
    if any(not 0 <= weight < math.inf for weight in weights) or not sum(weights):
        raise A2pipeError("Weights of strata are at least 0 and not all 0.")
    if any(weight and math.isnan(value) for value, weight in pairs):
        raise A2pipeError("A stratum with weight has no value: leave it out or give it weight 0.")
    total = sum(weight * value for value, weight in pairs if weight)
    return float(total / (len(pairs) if literal else sum(weights)))


def _right(labels: Labels, predictions: Labels) -> NDArray[np.bool_]:
    if np.shape(labels) != np.shape(predictions):
        raise ValueError(f"{np.shape(predictions)} predictions for {np.shape(labels)} labels")
    return np.asarray(np.equal(labels, predictions))


def _filled(groups: Sequence[GroupAccuracy]) -> list[GroupAccuracy]:
    """The groups that have samples."""
    filled = [group for group in groups if group.n]
    if not filled:
        raise A2pipeError("No group has any sample to score.")
    return filled
