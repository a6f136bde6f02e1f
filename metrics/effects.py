"""Sizes of effects and the rank test, over pairs of values such as accuracies of several seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | NDArray[Any]


@dataclass(frozen=True)
class RankTest:
    """Wilcoxon's signed-rank test. statistic: the smaller rank sum; n: pairs that differ."""

    statistic: float
    p: float
    n: int


def cohen_d_paired(first: Values, second: Values) -> float:
    """Mean of the differences first - second over their standard deviation (n - 1).

    NaN for fewer than two pairs, or where every difference is the same.
    """
    differences = _pairs(first, second)
    return _ratio(differences.mean(), differences.std(ddof=1)) if len(differences) > 1 else math.nan


def cohen_d_pooled(first: Values, second: Values) -> float:
    """Difference of the means over sqrt((var first + var second) / 2), variances with n - 1.

    NaN for fewer than two pairs, or where neither varies.
    """
    differences = _pairs(first, second)
    if len(differences) < 2:
        return math.nan
    pooled = (np.var(first, ddof=1) + np.var(second, ddof=1)) / 2
    return _ratio(differences.mean(), math.sqrt(pooled))


def wilcoxon_test(first: Values, second: Values) -> RankTest:
    """Two-sided signed-rank test of `scipy.stats.wilcoxon`; pairs without difference are dropped.

    Where all are without difference p is 1.
    """
    from scipy.stats import wilcoxon

    differences = _pairs(first, second)
    differences = differences[differences != 0]
    if not len(differences):
        return RankTest(0.0, 1.0, 0)
    found = wilcoxon(differences)
    return RankTest(float(found.statistic), float(found.pvalue), len(differences))


def _pairs(first: Values, second: Values) -> NDArray[np.float64]:
    if np.shape(first) != np.shape(second):
        raise ValueError(f"{np.shape(first)} values against {np.shape(second)}: no pairs")
    return np.asarray(first, np.float64) - np.asarray(second, np.float64)


def _ratio(mean: float, spread: float) -> float:
    """mean / spread; NaN where the spread is nothing but rounding."""
    return float(mean / spread) if spread > 1e-12 * max(1.0, abs(mean)) else math.nan
