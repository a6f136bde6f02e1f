"""Compute confidence limits for shares of right samples, which are binomial within each group.

The limits of one group are Jeffreys', the quantiles of Beta(k + 1/2, n - k + 1/2), and exact where
all or none are right, as Brown, Cai and DasGupta advise ("Interval estimation for a binomial
proportion", Statistical Science 16, 2001). Sizes need not be whole numbers, since samples that
share images count for fewer. All functions take leading axes, so that a simulation is one call.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Limits = tuple[Floats, Floats]


def share_limits(hits: ArrayLike, sizes: ArrayLike, tail: ArrayLike) -> Limits:
    """Return the lower and the upper limit of a share, each missed with a probability near `tail`.

    hits: number of right samples. sizes: number of all samples, above 0. The three arguments are
    broadcast against each other.
    """
    right, n, missed = (np.asarray(each, np.float64) for each in (hits, sizes, tail))
    wrong = n - right
    return _lower(right, wrong, missed), 1 - _lower(wrong, right, missed)


def worst_limits(hits: ArrayLike, sizes: ArrayLike, level: float = 0.95) -> Limits:
    """Return the limits of the smallest of several shares, from (..., G) to (...,) each.

    hits, sizes: right samples and all samples of each group. level: such as 0.95.

    The smallest observed share lies below the smallest true one where several groups are nearly
    equally bad, and a percentile interval of resampled minima lies lower still: among four equally
    bad groups it holds the truth in about half of all cases (`benchmarks/coverage.py`). So:

    - lower limit: the smallest of the groups' lower limits, since any group may be the worst;
    - upper limit: the smallest of the groups' upper limits, at a level that allows for the J groups
      that may be the worst, those whose lower limit is no higher than every upper limit (Sidak's
      1 - (1 - alpha)^(1/J) for each). Where J is 2 or more the lower limit is hardly ever missed,
      so the upper one has the whole of alpha = 1 - level; where J is 1 each has half.
    """
    alpha = 1 - level
    low, high = share_limits(hits, sizes, alpha / 2)
    rivals = (low <= high.min(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True)
    each = np.where(rivals > 1, 1 - (1 - alpha) ** (1 / rivals), alpha / 2)
    return low.min(axis=-1), share_limits(hits, sizes, each)[1].min(axis=-1)


def mean_limits(
    hits: ArrayLike, sizes: ArrayLike, level: float = 0.95, effect: ArrayLike = 1.0
) -> Limits:
    """Return the limits of the share over all groups, from (..., G) to (...,) each.

    Group sizes do not vary from one test set to the next, so the variance is that within groups.
    The limits are those of one share of n samples, where n is chosen to have this variance (Korn
    and Graubard, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data", Survey Methodology 24, 1998).

    hits, sizes: right samples and all samples of each group. level: such as 0.95. effect: how many
    times larger shared images make the variance, (...,).
    """
    right, n = np.asarray(hits, np.float64), np.asarray(sizes, np.float64)
    total = n.sum(axis=-1)
    share = right.sum(axis=-1) / total
    within = (n * _spread(right, n)).sum(axis=-1) / total**2
    fewer = np.maximum(_spread(right.sum(axis=-1), total) / within, total) / np.asarray(effect)
    return share_limits(share * fewer, fewer, (1 - level) / 2)


def _lower(right: Floats, wrong: Floats, tail: Floats) -> Floats:
    """Return Jeffreys' lower limit; 0 where none are right, exact where none are wrong."""
    from scipy.special import betaincinv

    jeffreys = betaincinv(right + 0.5, wrong + 0.5, tail)
    # np.where evaluates both branches, so the exponent must exist where none are right, too.
    exact = tail ** (1 / np.maximum(right, np.finfo(np.float64).tiny))
    low: Floats = np.where(right <= 0, 0.0, np.where(wrong <= 0, exact, jeffreys))[()]
    return low


def _spread(right: Floats, n: Floats) -> Floats:
    """Return p (1 - p) of shares with half a right and half a wrong sample more."""
    # The half samples keep the variance of a group that is all right or all wrong from being 0.
    share = (right + 0.5) / (n + 1)
    return np.asarray(share * (1 - share))
