"""Percentile intervals of accuracy and worst-group accuracy from resampled test sets.

They are for comparison with what others report. Where several groups are nearly equally bad, the
interval of worst-group accuracy lies too low, because the minimum of resampled groups is biased
downwards; the intervals of `accuracy_intervals` are not biased so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .accuracy_intervals import CellIntervals, Interval
from .paired import RESAMPLES, Metric, metric_draws


def bootstrap_intervals(
    correct: NDArray[Any],
    groups: NDArray[Any],
    images: NDArray[Any] | None = None,
    *,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> CellIntervals:
    """Return both intervals by the percentile bootstrap within groups.

    Samples that share an image are drawn together, and the worst group is looked for in each draw.
    resamples: number of draws. seed: of the draws. Other arguments and errors as for
    `accuracy_intervals.cell_intervals`.
    """

    def interval(metric: Metric) -> Interval:
        draws = metric_draws(correct, groups, images, metric, resamples, seed)
        low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2)).tolist()
        return low, high

    has_groups = bool((np.asarray(groups) >= 0).any())
    return CellIntervals(interval("accuracy"), interval("worst") if has_groups else None)
