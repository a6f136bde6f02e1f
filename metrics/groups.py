"""Compute accuracy, in [0, 1], over all samples, of each group or class, and of the worst group."""

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
    """A GroupAccuracy is the accuracy of one group, or class.

    name: of the group. n: how many samples it has. accuracy: share of them that are right; NaN if
    it has none.
    """

    name: str
    n: int
    accuracy: float


def accuracy(labels: Labels, predictions: Labels) -> float:
    """Return the plain share of right predictions, the "average accuracy" of A²'s tables.

    labels, predictions: (N,). Raises A2pipeError if there are no samples, and ValueError if the two
    differ in shape.
    """
    right = _right(labels, predictions)
    if not len(right):
        raise A2pipeError("There is no sample to score: the split is empty.")
    return float(right.mean())


def per_group(
    labels: Labels, predictions: Labels, groups: NDArray[Any], names: Sequence[str]
) -> list[GroupAccuracy]:
    """Return the accuracy of each group, in the order of `names`.

    labels, predictions: (N,). groups: integer (N,), indices into `names`; samples of negative index
    belong to no group. Raises ValueError if labels and predictions differ in shape.
    """
    right = _right(labels, predictions)
    # bincount refuses negative indices, so samples without a group are taken out first.
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
    """Return the recall of each class, in the order of `class_names`.

    labels: integer (N,), indices into `class_names`. Errors as for `per_group`.
    """
    return per_group(labels, predictions, labels, class_names)


def worst_group(groups: Sequence[GroupAccuracy]) -> GroupAccuracy:
    """Return the group of smallest accuracy among those that have samples, as WILDS counts WGA.

    Of equally bad groups it is the first. Raises A2pipeError if no group has samples.
    """
    return min(_filled(groups), key=lambda group: group.accuracy)


def balanced(groups: Sequence[GroupAccuracy]) -> float:
    """Return the mean accuracy of the groups that have samples, each weighing the same.

    Of what `per_class` returns, it is the balanced accuracy. Raises A2pipeError if no group has
    samples.
    """
    return float(np.mean([group.accuracy for group in _filled(groups)]))


def adjusted_average(groups: Sequence[GroupAccuracy], train_sizes: Sequence[int]) -> float:
    """Return the mean test accuracy of the groups, weighted by their shares of training samples.

    GroupDRO reports it for Waterbirds, whose test groups are balanced and training groups are not.

    train_sizes: number of training samples of each group, in the order of `groups`.

    Raises A2pipeError if a group that has training samples has no test samples, or if no group has
    training samples.
    """
    pairs = [(g, size) for g, size in zip(groups, train_sizes, strict=True) if size]
    if not pairs or any(group.n == 0 for group, _ in pairs):
        raise A2pipeError(
            "The adjusted average needs test samples of every group that occurs in training."
        )
    weighted = sum(group.accuracy * size for group, size in pairs)
    return float(weighted / sum(size for _, size in pairs))


def _right(labels: Labels, predictions: Labels) -> NDArray[np.bool_]:
    """Return which predictions are right; raise ValueError if shapes differ."""
    if np.shape(labels) != np.shape(predictions):
        raise ValueError(f"{np.shape(predictions)} predictions for {np.shape(labels)} labels")
    return np.asarray(np.equal(labels, predictions))


def _filled(groups: Sequence[GroupAccuracy]) -> list[GroupAccuracy]:
    """Return the groups that have samples; raise A2pipeError if none has."""
    filled = [group for group in groups if group.n]
    if not filled:
        raise A2pipeError("No group has any sample to score.")
    return filled
