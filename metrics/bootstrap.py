"""Percentile intervals of accuracy and worst-group accuracy from resampled test sets.

For comparison with what others report: where several groups are nearly equally bad the WGA interval
lies too low, as resampled minima are biased downwards; `accuracy_intervals` is not so.
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
    """Percentile bootstrap within groups, by image where samples share one.

    The smallest group is looked for in each draw anew. Arguments and errors as for
    `accuracy_intervals.cell_intervals`, and the seed of the draws.
    """

    def interval(metric: Metric) -> Interval:
        draws = metric_draws(correct, groups, images, metric, resamples, seed)
        low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2)).tolist()
        return low, high

    has_groups = bool((np.asarray(groups) >= 0).any())
    return CellIntervals(interval("accuracy"), interval("worst") if has_groups else None)
