"""Tests of whether two sets of predictions on the same samples are equally good.

All are two-sided, seeded, and about the difference first - second of one metric: "accuracy" over
all samples, or "worst", the smallest group accuracy (with class labels as groups, of the worst
class).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError, UsageError
from .resampling import Floats, Units, all_swaps, gather_units, resampled_totals, swapped_totals

Metric = Literal["accuracy", "worst"]

RESAMPLES = 10_000
TIE = 1e-12
"""Differences of shares closer than this are equal but for rounding."""


@dataclass(frozen=True)
class PairedTest:
    """What a test says of two sets of predictions.

    first, second: the metric of each, in [0, 1]; difference: first - second. p: in (0, 1].
    resamples: how many were drawn; 0 where p is exact. low, high: percentile interval of the
        difference, of the bootstrap alone.
    """

    test: str
    metric: str
    first: float
    second: float
    difference: float
    p: float
    resamples: int = 0
    low: float | None = None
    high: float | None = None


def permutation_test(
    first: NDArray[Any],
    second: NDArray[Any],
    groups: NDArray[Any],
    images: NDArray[Any] | None = None,
    *,
    metric: Metric = "accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedTest:
    """Swap the two predictions of each sample with probability 1/2 (permutation type "samples").

    Of a shared image all samples are swapped together. p is exact where there are at most
    `resamples` outcomes, else the share of draws at least as extreme, the observed one among them;
    twice the smaller tail, as `scipy.stats.permutation_test` counts. The hypothesis is that the two
    are exchangeable on every sample, which is more than that one metric is equal.

    first, second: bool (N,), whether each prediction is right. groups: integer (N,), negative for
        none; such samples count for accuracy alone. images: (N,), equal for samples of one image.

    Raises A2pipeError if no sample counts, ValueError if the arrays differ in length.
    """
    units = _units(first, second, groups, images, metric)
    observed = _difference(units.totals[None], metric)[0]
    outcomes = all_swaps(units, resamples)
    if outcomes is None:
        draws = _differences(swapped_totals(units, resamples, seed), metric)
        tails = [(1 + beyond.sum()) / (1 + resamples) for beyond in _tails(draws, observed)]
        return _result("permutation", units, metric, 2 * min(tails), resamples)
    totals, chances = outcomes
    tails = [chances[beyond].sum() for beyond in _tails(_difference(totals, metric), observed)]
    return _result("permutation", units, metric, 2 * min(tails))


def paired_bootstrap(
    first: NDArray[Any],
    second: NDArray[Any],
    groups: NDArray[Any],
    images: NDArray[Any] | None = None,
    *,
    metric: Metric = "accuracy",
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> PairedTest:
    """Draw the samples of each group with replacement, by image where they share one.

    Both sets of predictions share every draw, and the smallest group is looked for in each anew.
    p = 2 min(1 + #(d <= 0), 1 + #(d >= 0)) / (resamples + 1), at most 1; the interval is the
    percentile interval. Arguments and errors as for `permutation_test`.
    """
    units = _units(first, second, groups, images, metric)
    draws = _differences(resampled_totals(units, resamples, seed), metric)
    tails = [(1 + beyond.sum()) / (1 + resamples) for beyond in _tails(draws, 0.0)]
    low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2)).tolist()
    return _result("bootstrap", units, metric, 2 * min(tails), resamples, low, high)


def mcnemar_test(
    first: NDArray[Any], second: NDArray[Any], images: NDArray[Any] | None = None
) -> PairedTest:
    """McNemar's exact test of equal accuracy: the samples only one of the two has right.

    Raises:
        UsageError: samples share images, so that they are not independent as the test requires.
        A2pipeError: there is no sample.
    """
    from scipy.stats import binomtest

    if images is not None and len(np.unique(images)) < len(images):
        raise UsageError(
            "McNemar's test takes samples as independent, but some share an image; use the "
            "permutation test or the bootstrap, which go by image."
        )
    units = _units(first, second, np.zeros(len(first), np.int64), None, "accuracy")
    only_first = int(np.sum(np.asarray(first, np.bool_) & ~np.asarray(second, np.bool_)))
    only_second = int(np.sum(np.asarray(second, np.bool_) & ~np.asarray(first, np.bool_)))
    discordant = only_first + only_second
    p = binomtest(only_first, discordant).pvalue if discordant else 1.0
    return _result("mcnemar", units, "accuracy", float(p))


def metric_draws(
    correct: NDArray[Any],
    groups: NDArray[Any],
    images: NDArray[Any] | None,
    metric: Metric,
    resamples: int,
    seed: int,
) -> Floats:
    """The metric of one set of predictions on resampled test sets, (resamples,)."""
    units = _units(correct, correct, groups, images, metric)
    portions = resampled_totals(units, resamples, seed)
    return np.concatenate([_both(totals, metric)[:, 0] for totals in portions])


def _units(
    first: NDArray[Any],
    second: NDArray[Any],
    groups: NDArray[Any],
    images: NDArray[Any] | None,
    metric: Metric,
) -> Units:
    """The samples that count for the metric."""
    arrays = [np.asarray(each) for each in (first, second, groups)]
    shared = None if images is None else np.asarray(images)
    lengths = {len(each) for each in (*arrays, shared) if each is not None}
    if len(lengths) > 1:
        raise ValueError(f"samples differ in number: {sorted(lengths)}")
    kept = arrays[2] >= 0 if metric == "worst" else np.ones(len(arrays[2]), np.bool_)
    if not kept.any():
        raise A2pipeError("There is no sample to compare: the split, or every group, is empty.")
    right, other, group = (each[kept] for each in arrays)
    image = None if shared is None else shared[kept]
    return gather_units(right.astype(np.bool_), other.astype(np.bool_), group, image)


def _difference(totals: NDArray[Any], metric: Metric) -> Floats:
    """The metric of the first less that of the second, (draws, G, 3) -> (draws,)."""
    both = _both(totals, metric)
    return both[..., 0] - both[..., 1]


def _both(totals: NDArray[Any], metric: Metric) -> Floats:
    """The metric of each, (..., G, 3) -> (..., 2); groups without samples are passed over."""
    n, right = totals[..., :1], totals[..., 1:]
    if metric == "accuracy":
        return np.asarray(right.sum(axis=-2) / n.sum(axis=-2))
    return np.asarray(np.where(n > 0, right / np.maximum(n, 1), np.inf).min(axis=-2))


def _differences(portions: Iterable[Floats], metric: Metric) -> Floats:
    return np.concatenate([_difference(totals, metric) for totals in portions])


def _tails(draws: Floats, observed: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which draws lie at the observed difference or below it, and at it or above."""
    return draws <= observed + TIE, draws >= observed - TIE


def _result(
    test: str,
    units: Units,
    metric: Metric,
    p: float,
    resamples: int = 0,
    low: float | None = None,
    high: float | None = None,
) -> PairedTest:
    first, second = _both(units.totals, metric).tolist()
    smallest = min(1.0, float(p))
    return PairedTest(test, metric, first, second, first - second, smallest, resamples, low, high)


TESTS: dict[str, Callable[..., PairedTest]] = {
    "permutation": permutation_test,
    "bootstrap": paired_bootstrap,
    "mcnemar": mcnemar_test,
}
"""The tests by the names the command line gives them."""
