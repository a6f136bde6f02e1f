"""Confidence intervals of accuracy and worst-group accuracy over one set of predictions.

Computed, not drawn: equal predictions have equal intervals on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError
from .binomial import mean_limits, share_limits, worst_limits
from .design_effect import design_effect

Interval = tuple[float, float]


@dataclass(frozen=True)
class CellIntervals:
    """Intervals of one cell, in [0, 1]; None for WGA where no sample belongs to a group."""

    accuracy: Interval
    wga: Interval | None


@dataclass(frozen=True, eq=False)
class _Grouped:
    """Samples by group: which group each is of, and right ones among how many, (G,)."""

    place: NDArray[np.int64]
    hits: NDArray[np.float64]
    sizes: NDArray[np.float64]

    @property
    def shares(self) -> NDArray[np.float64]:
        return self.hits / self.sizes


def cell_intervals(
    correct: NDArray[Any],
    groups: NDArray[Any],
    images: NDArray[Any] | None = None,
    *,
    level: float = 0.95,
) -> CellIntervals:
    """Intervals of accuracy and WGA; see `accuracy_interval` and `wga_interval`."""
    has_groups = bool((np.asarray(groups) >= 0).any())
    return CellIntervals(
        accuracy=accuracy_interval(correct, groups, images, level=level),
        wga=wga_interval(correct, groups, images, level=level) if has_groups else None,
    )


def accuracy_interval(
    correct: NDArray[Any],
    groups: NDArray[Any],
    images: NDArray[Any] | None = None,
    *,
    level: float = 0.95,
) -> Interval:
    """Interval of the plain accuracy, group sizes held fixed: see `binomial.mean_limits`.

    correct: (N,) whether each prediction is right. groups: integer (N,); samples with a negative
        index belong to none and count as a group of their own. images: (N,), equal for samples that
        share an image; None if none do. level: share of test sets whose interval holds the truth.

    Raises A2pipeError if there are no samples, ValueError if the arrays differ in length.
    """
    right = _checked(correct, groups, images)
    if not len(right):
        raise A2pipeError("There is no sample to score: the split is empty.")
    found = _grouped(right, np.asarray(groups))
    effect = design_effect(right - found.shares[found.place], images)
    low, high = mean_limits(found.hits, found.sizes, level, effect)
    return float(low), float(high)


def wga_interval(
    correct: NDArray[Any],
    groups: NDArray[Any],
    images: NDArray[Any] | None = None,
    *,
    level: float = 0.95,
) -> Interval:
    """Interval of the smallest group accuracy: see `binomial.worst_limits`.

    Arguments as for `accuracy_interval`; samples with a negative index are left out, and with class
    labels as groups it is the interval of the worst class. Shared images make a group smaller by
    its design effect.

    Raises A2pipeError if no sample belongs to a group, ValueError if the arrays differ in length.
    """
    right = _checked(correct, groups, images)
    found, effects = _members(right, np.asarray(groups), images)
    low, high = worst_limits(found.hits / effects, found.sizes / effects, level)
    return float(low), float(high)


def group_intervals(
    correct: NDArray[Any],
    groups: NDArray[Any],
    images: NDArray[Any] | None = None,
    *,
    level: float = 0.95,
) -> dict[int, Interval]:
    """Interval of each group's accuracy, by group index; empty groups have none.

    Each on its own: nothing allows for there being several. Arguments and errors as for
    `wga_interval`.
    """
    right = _checked(correct, groups, images)
    found, effects = _members(right, np.asarray(groups), images)
    low, high = share_limits(found.hits / effects, found.sizes / effects, (1 - level) / 2)
    present = np.unique(groups[groups >= 0]).tolist()
    return dict(zip(present, zip(low.tolist(), high.tolist(), strict=True), strict=True))


def _members(
    right: NDArray[np.float64], groups: NDArray[Any], images: NDArray[Any] | None
) -> tuple[_Grouped, NDArray[np.float64]]:
    """The samples that belong to a group, by group, and the groups' design effects."""
    member = groups >= 0
    if not member.any():
        raise A2pipeError("No group has any sample to score.")
    found = _grouped(right[member], groups[member])
    if images is None:
        return found, np.ones(len(found.sizes))
    residuals, kept = right[member] - found.shares[found.place], np.asarray(images)[member]
    inside = [found.place == group for group in range(len(found.sizes))]
    return found, np.array([design_effect(residuals[each], kept[each]) for each in inside])


def _grouped(right: NDArray[np.float64], groups: NDArray[Any]) -> _Grouped:
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    hits = np.bincount(place, weights=right).astype(np.float64)
    return _Grouped(place, hits, sizes.astype(np.float64))


def _checked(
    correct: NDArray[Any], groups: NDArray[Any], images: NDArray[Any] | None
) -> NDArray[np.float64]:
    lengths = {len(each) for each in (correct, groups, images) if each is not None}
    if len(lengths) > 1:
        raise ValueError(f"samples differ in number: {sorted(lengths)}")
    return np.asarray(correct, np.float64)
