"""Compute confidence intervals of means over images by the percentile bootstrap."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS_AT_ONCE = 1 << 22
"""So many counts are held in memory at once: 32 MiB."""


def mean_intervals(
    columns: Sequence[Floats], *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Floats:
    """Return the percentile bootstrap interval of each column's mean: low and high, (columns, 2).

    columns: finite values, one for each image. Columns of equal length are taken as values of the
        same images.
    resamples: number of draws of as many images with replacement.
    level: such as 0.95, which leaves 2.5 % of the draws outside on either side.
    seed: equal seeds give equal intervals.

    The interval of a column without values is NaN.
    """
    bounds = np.full((len(columns), 2), np.nan)
    tails = ((1 - level) / 2, (1 + level) / 2)
    lengths = np.array([len(column) for column in columns], dtype=np.int64)
    # Columns of the same images share every draw, so that the drawing does not blur their
    # differences.
    for n in np.unique(lengths[lengths > 0]).tolist():
        chosen = np.flatnonzero(lengths == n).tolist()
        values = np.stack([columns[place] for place in chosen], axis=1)
        bounds[chosen] = np.quantile(resampled_means(values, resamples, seed), tails, axis=0).T
    return bounds


def resampled_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Return the means of draws of n rows of (n, m) with replacement, (resamples, m)."""
    generator = np.random.default_rng(seed)
    n = len(values)
    centre = values.mean(axis=0)
    means = np.empty((resamples, values.shape[1]))
    at_once = max(1, DRAWS_AT_ONCE // n)
    for start in range(0, resamples, at_once):
        part = means[start : start + at_once]
        # Counts times values is one matrix product, where the rows of a draw are n * m numbers.
        # Deviations from the mean are multiplied rather than values, so that rounding stays small.
        counts = np.stack([_counts(generator, n) for _ in part])
        part[:] = centre + counts @ (values - centre) / n
    return means


def _counts(generator: np.random.Generator, n: int) -> Floats:
    """Return how often each of n images is among n draws with replacement, (n,)."""
    drawn = np.bincount(generator.integers(n, size=n), minlength=n)
    return drawn.astype(np.float64)
