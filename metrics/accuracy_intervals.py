"""Compute confidence intervals of accuracy and worst-group accuracy over one set of predictions.

They have a closed form and are not drawn, so equal predictions have equal intervals everywhere.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError
from .binomial import mean_limits, worst_limits
from .design_effect import design_effect

Interval = tuple[float, float]
Values = NDArray[Any]


@dataclass(frozen=True)
class CellIntervals:
    """CellIntervals are those of the accuracies of one cell of a matrix, each a pair in [0, 1].

    accuracy: of the plain accuracy. wga: of the worst group's; None if no sample has a group.
    """

    accuracy: Interval
    wga: Interval | None


@dataclass(frozen=True, eq=False)
class _GroupCounts:
    """_GroupCounts are samples counted by group.

    place: (N,), position of each sample's group among the G groups. hits: (G,), right samples of
    each group. sizes: (G,), all samples of each group.
    """

    place: NDArray[np.int64]
    hits: NDArray[np.float64]
    sizes: NDArray[np.float64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Return the accuracy of each group, (G,)."""
        return self.hits / self.sizes


def cell_intervals(
    correct: Values, groups: Values, images: Values | None = None, *, level: float = 0.95
) -> CellIntervals:
    """Return both intervals; arguments and errors as for `accuracy_interval`."""
    has_groups = bool((np.asarray(groups) >= 0).any())
    return CellIntervals(
        accuracy=accuracy_interval(correct, groups, images, level=level),
        wga=wga_interval(correct, groups, images, level=level) if has_groups else None,
    )


def accuracy_interval(
    correct: Values, groups: Values, images: Values | None = None, *, level: float = 0.95
) -> Interval:
    """Return the interval of the plain accuracy: low and high, in [0, 1].

    The sizes of the groups are taken as fixed; see `binomial.mean_limits`.

    correct: (N,), whether each prediction is right. groups: integer (N,); samples of negative index
    belong to none and count as one more group. images: (N,), equal for samples that share an image;
    None if none do. level: share of test sets whose interval holds the true value.

    Raises A2pipeError if there are no samples, and ValueError if the arrays differ in length.
    """
    right = _checked(correct, groups, images)
    if not len(right):
        raise A2pipeError("There is no sample to score: the split is empty.")
    found = _count(right, np.asarray(groups))
    effect = design_effect(right - found.shares[found.place], images)
    low, high = mean_limits(found.hits, found.sizes, level, effect)
    return float(low), float(high)


def wga_interval(
    correct: Values, groups: Values, images: Values | None = None, *, level: float = 0.95
) -> Interval:
    """Return the interval of the smallest group accuracy, as `binomial.worst_limits` defines it.

    Arguments as for `accuracy_interval`, but samples of negative group index are left out. With
    class labels as groups it is the interval of the worst class. A group whose samples share images
    counts for as many samples as its design effect leaves.

    Raises A2pipeError if no sample belongs to a group, ValueError if the arrays differ in length.
    """
    right = _checked(correct, groups, images)
    found, effects = _count_members(right, np.asarray(groups), images)
    # Hits and sizes shrink alike: the share stays, and its interval is that of fewer samples.
    low, high = worst_limits(found.hits / effects, found.sizes / effects, level)
    return float(low), float(high)


def _count_members(
    right: NDArray[np.float64], groups: Values, images: Values | None
) -> tuple[_GroupCounts, NDArray[np.float64]]:
    """Count the samples that have a group; return the counts and each group's design effect."""
    member = groups >= 0
    if not member.any():
        raise A2pipeError("No group has any sample to score.")
    found = _count(right[member], groups[member])
    if images is None:
        return found, np.ones(len(found.sizes))
    residuals, kept = right[member] - found.shares[found.place], np.asarray(images)[member]
    members = [found.place == group for group in range(len(found.sizes))]
    return found, np.array([design_effect(residuals[each], kept[each]) for each in members])


def _count(right: NDArray[np.float64], groups: Values) -> _GroupCounts:
    """Count samples by group; group numbers may have gaps."""
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    hits = np.bincount(place, weights=right).astype(np.float64)
    return _GroupCounts(place, hits, sizes.astype(np.float64))


def _checked(correct: Values, groups: Values, images: Values | None) -> NDArray[np.float64]:
    """Return `correct` as float64; raise ValueError if the arrays differ in length."""
    lengths = {len(each) for each in (correct, groups, images) if each is not None}
    if len(lengths) > 1:
        raise ValueError(f"samples differ in number: {sorted(lengths)}")
    return np.asarray(correct, np.float64)
