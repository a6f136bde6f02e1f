"""Compute effect sizes and the rank test of paired values, such as accuracies of several seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | NDArray[Any]


@dataclass(frozen=True)
class RankTest:
    """A RankTest is the result of Wilcoxon's signed-rank test.

    statistic: the smaller of the two rank sums. p: two-sided, in [0, 1]. n: pairs that differ.
    """

    statistic: float
    p: float
    n: int


def cohen_d_paired(first: Values, second: Values) -> float:
    """Return the mean of the differences first - second over their standard deviation (n - 1).

    It is NaN for fewer than two pairs, or if all differences are the same. Raises ValueError if the
    two are not of one shape.
    """
    differences = _pairs(first, second)
    return _ratio(differences.mean(), differences.std(ddof=1)) if len(differences) > 1 else math.nan


def cohen_d_pooled(first: Values, second: Values) -> float:
    """Return the difference of the means over sqrt((var first + var second) / 2).

    The variances have n - 1 in the denominator. It is NaN for fewer than two pairs, or if
    neither varies. Raises ValueError if the two are not of one shape.
    """
    differences = _pairs(first, second)
    if len(differences) < 2:
        return math.nan
    pooled = (np.var(first, ddof=1) + np.var(second, ddof=1)) / 2
    return _ratio(differences.mean(), math.sqrt(pooled))


def wilcoxon_test(first: Values, second: Values) -> RankTest:
    """Return the two-sided signed-rank test of `scipy.stats.wilcoxon`.

    Pairs without a difference are dropped; if no pair has one, p is 1. Raises ValueError if the two
    are not of one shape.
    """
    from scipy.stats import wilcoxon

    differences = _pairs(first, second)
    differences = differences[differences != 0]
    if not len(differences):
        return RankTest(0.0, 1.0, 0)
    found = wilcoxon(differences)
    return RankTest(float(found.statistic), float(found.pvalue), len(differences))


def _pairs(first: Values, second: Values) -> NDArray[np.float64]:
    """Return the differences of pairs; raise ValueError if the two differ in shape."""
    if np.shape(first) != np.shape(second):
        raise ValueError(f"{np.shape(first)} values against {np.shape(second)}: no pairs")
    return np.asarray(first, np.float64) - np.asarray(second, np.float64)


def _ratio(mean: float, spread: float) -> float:
    """Return mean / spread; NaN if the spread is nothing but rounding."""
    # Differences that are all 0.1 have a spread of some 1e-17, and would give an effect of 1e16.
    return float(mean / spread) if spread > 1e-12 * max(1.0, abs(mean)) else math.nan
