"""Every statistic by name: intervals, paired tests, corrections over a family, sizes of effects.

Definitions, and which to use when, are in docs/metrics.md.
"""

from __future__ import annotations

from .accuracy_intervals import (
    CellIntervals,
    Interval,
    accuracy_interval,
    cell_intervals,
    group_intervals,
    wga_interval,
)
from .bootstrap import bootstrap_intervals
from .corrections import CORRECTIONS, bonferroni, check_resolution, holm, resamples_needed
from .effects import RankTest, cohen_d_paired, cohen_d_pooled, wilcoxon_test
from .intervals import mean_intervals
from .paired import TESTS, PairedTest, mcnemar_test, paired_bootstrap, permutation_test

__all__ = [
    "CORRECTIONS",
    "TESTS",
    "CellIntervals",
    "Interval",
    "PairedTest",
    "RankTest",
    "accuracy_interval",
    "bonferroni",
    "bootstrap_intervals",
    "cell_intervals",
    "check_resolution",
    "cohen_d_paired",
    "cohen_d_pooled",
    "group_intervals",
    "holm",
    "mcnemar_test",
    "mean_intervals",
    "paired_bootstrap",
    "permutation_test",
    "resamples_needed",
    "wga_interval",
    "wilcoxon_test",
]
