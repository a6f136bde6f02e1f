"""Test whether two sets of predictions on the same samples are equally good.

All tests are two-sided and seeded. They are about the difference first - second of one metric:
"accuracy" over all samples, or "worst", the smallest group accuracy. With class labels as groups,
"worst" is the recall of the worst class.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError, UsageError
from .resampling import Floats, Units, all_swaps, gather_units, resampled_totals, swapped_totals

Metric = Literal["accuracy", "worst"]
Values = NDArray[Any]

RESAMPLES = 10_000
TIE = 1e-12
"""Two differences that are closer than this count as equal, as they differ by rounding alone."""


@dataclass(frozen=True)
class PairedTest:
    """A PairedTest is the result of a test of two sets of predictions.

    test: its name in `TESTS`. metric: the name of what was compared.
    first, second: the metric of each set, in [0, 1]. difference: first - second.
    p: in (0, 1].
    resamples: how many were drawn; 0 if p is exact.
    low, high: percentile interval of the difference; None except for the bootstrap.
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
    first: Values,
    second: Values,
    groups: Values,
    images: Values | None = None,
    *,
    metric: Metric = "accuracy",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedTest:
    """Test by swapping the two predictions of each sample with probability 1/2.

    It is the permutation type "samples" of `scipy.stats.permutation_test`. Samples that share an
    image are swapped together. p is twice the smaller tail. It is exact if there are at most
    `resamples` outcomes; else it is the share of draws that are at least as extreme as what was
    observed, which counts as one of them. The hypothesis is that the two sets are exchangeable on
    every sample, which says more than that one metric is equal.

    first, second: bool (N,), whether each prediction is right. groups: integer (N,), negative for
        none; samples without a group count for accuracy alone.
    images: (N,), equal for samples of one image; None if no image is shared.
    metric: "accuracy" or "worst". resamples: how many to draw. seed: of the draws.

    Raises A2pipeError if no sample counts, and ValueError if the arrays differ in length.
    """
    units = _units(first, second, groups, images, metric)
    observed = _difference(units.totals[None], metric)[0]
    outcomes = all_swaps(units, resamples)
    if outcomes is None:
        # What was observed counts as one more draw, so that p is never 0.
        draws = _differences(swapped_totals(units, resamples, seed), metric)
        tails = [(1 + beyond.sum()) / (1 + resamples) for beyond in _tails(draws, observed)]
        return _result("permutation", units, metric, 2 * min(tails), resamples)
    totals, chances = outcomes
    tails = [chances[beyond].sum() for beyond in _tails(_difference(totals, metric), observed)]
    return _result("permutation", units, metric, 2 * min(tails))


def paired_bootstrap(
    first: Values,
    second: Values,
    groups: Values,
    images: Values | None = None,
    *,
    metric: Metric = "accuracy",
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> PairedTest:
    """Test by drawing the samples of each group with replacement.

    Samples that share an image are drawn together. Both sets of predictions share every draw, and
    the worst group of each set is looked for in every draw. For the drawn differences d,
    p = 2 min(1 + #(d <= 0), 1 + #(d >= 0)) / (resamples + 1), at most 1. The interval is the
    percentile interval of `level`. Other arguments and errors as for `permutation_test`.
    """
    units = _units(first, second, groups, images, metric)
    draws = _differences(resampled_totals(units, resamples, seed), metric)
    tails = [(1 + beyond.sum()) / (1 + resamples) for beyond in _tails(draws, 0.0)]
    low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2)).tolist()
    return _result("bootstrap", units, metric, 2 * min(tails), resamples, low, high)


def mcnemar_test(first: Values, second: Values, images: Values | None = None) -> PairedTest:
    """Test by McNemar's exact test of equal accuracy, on samples that one set alone has right.

    Arguments as for `permutation_test`. Raises UsageError if samples share images, as the test
    takes them as independent, and A2pipeError if there is no sample.
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
    # Without a sample that tells the two apart there is nothing to test, and scipy refuses n = 0.
    p = binomtest(only_first, discordant).pvalue if discordant else 1.0
    return _result("mcnemar", units, "accuracy", float(p))


def _units(
    first: Values, second: Values, groups: Values, images: Values | None, metric: Metric
) -> Units:
    """Gather the samples that count for the metric into units of resampling."""
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
    """Return the metric of the first set less that of the second, (draws,), from (draws, G, 3)."""
    both = _metrics_of_both(totals, metric)
    return both[..., 0] - both[..., 1]


def _metrics_of_both(totals: NDArray[Any], metric: Metric) -> Floats:
    """Return the metric of each set, (..., 2), from (..., G, 3); empty groups are passed over."""
    n, right = totals[..., :1], totals[..., 1:]
    if metric == "accuracy":
        return np.asarray(right.sum(axis=-2) / n.sum(axis=-2))
    # A draw may leave a group empty: an image with samples of two groups is drawn with one of them.
    return np.asarray(np.where(n > 0, right / np.maximum(n, 1), np.inf).min(axis=-2))


def _differences(portions: Iterable[Floats], metric: Metric) -> Floats:
    """Return the differences of all draws, (draws,)."""
    return np.concatenate([_difference(totals, metric) for totals in portions])


def _tails(draws: Floats, observed: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which draws lie at the observed difference or below it, and which at it or above."""
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
    """Return the result of a test, with the metric of each set and p cut at 1."""
    first, second = _metrics_of_both(units.totals, metric).tolist()
    smallest = min(1.0, float(p))
    return PairedTest(test, metric, first, second, first - second, smallest, resamples, low, high)


TESTS: dict[str, Callable[..., PairedTest]] = {
    "permutation": permutation_test,
    "bootstrap": paired_bootstrap,
    "mcnemar": mcnemar_test,
}
"""These are the tests by the names the command line gives them."""
