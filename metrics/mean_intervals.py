"""Bootstrap confidence intervals of means over images: the percentile method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS_AT_ONCE = 1 << 22
"""Counts held in memory at once: 32 MiB."""


def mean_intervals(
    columns: Sequence[Floats], *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Floats:
    """Percentile bootstrap interval of the mean of each column, (len(columns), 2): low, high.

    columns: the values of n images each, finite; columns of equal length are of the same images and
        share every draw, so that differences between them are not blurred by the drawing.
    resamples: draws of n images with replacement. level: such as 0.95, which leaves 2.5 % outside
        on either side. seed: equal seeds give equal intervals.

    A column without values gives NaN.
    """
    bounds = np.full((len(columns), 2), np.nan)
    tails = ((1 - level) / 2, (1 + level) / 2)
    lengths = np.array([len(column) for column in columns], dtype=np.int64)
    for n in np.unique(lengths[lengths > 0]).tolist():
        chosen = np.flatnonzero(lengths == n).tolist()
        values = np.stack([columns[place] for place in chosen], axis=1)
        bounds[chosen] = np.quantile(resampled_means(values, resamples, seed), tails, axis=0).T
    return bounds


def resampled_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Means of `resamples` draws of n rows with replacement, (n, m) -> (resamples, m)."""
    generator = np.random.default_rng(seed)
    n = len(values)
    centre = values.mean(axis=0)
    means = np.empty((resamples, values.shape[1]))
    at_once = max(1, DRAWS_AT_ONCE // n)
    for start in range(0, resamples, at_once):
        part = means[start : start + at_once]
        counts = np.stack([_counts(generator, n) for _ in part])
        part[:] = centre + counts @ (values - centre) / n
    return means


def _counts(generator: np.random.Generator, n: int) -> Floats:
    """How often each of n images is among n draws, (n,)."""
    drawn = np.bincount(generator.integers(n, size=n), minlength=n)
    return drawn.astype(np.float64)
