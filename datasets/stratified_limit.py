"""Choose the samples that a limit keeps: few of them, yet some of every group in every split."""

import numpy as np
from numpy.typing import NDArray


def stratified_indices(
    parts: NDArray[np.int64], splits: NDArray[np.str_], n: int
) -> NDArray[np.int64]:
    """Return the indices of `n` samples, ascending: the first ones of every part in every split.

    parts: int64, (N,), the group or class of each sample.
    splits: (N,), the split of each sample.
    n: how many samples to keep, 0 < n <= N; they are dealt over part x split in proportion.
    """
    stratum = _strata(parts, splits)
    counts = np.bincount(stratum)
    kept = proportional_counts(counts, n)

    # The rank of each sample within its stratum, in the order of the collection.
    order = np.argsort(stratum, kind="stable")
    rank = np.empty(len(stratum), np.int64)
    rank[order] = np.arange(len(stratum)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.flatnonzero(rank < kept[stratum])


def proportional_counts(counts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Deal `n` over parts in proportion to their sizes.

    counts: int64, (K,), the size of each part, at least 1.
    n: how many to deal, at most the sum of `counts`.

    Returns int64, (K,), which sums to `n` and nowhere exceeds `counts`. Every part gets at least
    one; if `n` is smaller than the number of parts, the first `n` parts get one each.
    """
    if n <= len(counts):
        return (np.arange(len(counts)) < n).astype(np.int64)
    small = np.zeros(len(counts), bool)
    # A part whose share is below one gets one. That takes from what the others share, so that
    # another part may fall below one: hence again, until none does.
    while True:
        rest = np.where(small, 0, counts)
        quota = rest * (n - small.sum()) / max(rest.sum(), 1)
        newly = ~small & (quota < 1)
        if not newly.any():
            break
        small |= newly
    return np.where(small, 1, _rounded(quota, n - int(small.sum())))


def _rounded(quota: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Round to integers that sum to `total`, by the method of largest remainders."""
    # The epsilon keeps a quota of 2.9999999999999996, which is a 3, from being rounded down.
    whole = np.floor(quota + 1e-9).astype(np.int64)
    largest = np.argsort(whole - quota, kind="stable")[: total - int(whole.sum())]
    whole[largest] += 1
    return whole


def _strata(parts: NDArray[np.int64], splits: NDArray[np.str_]) -> NDArray[np.int64]:
    """Number each part x split that occurs."""
    # The splits of a part stand together and train stands first: a limit below the number of strata
    # keeps the first ones, and a class that is tested is then trained on as well.
    _, part = np.unique(parts, return_inverse=True)
    names, other = np.unique(splits, return_inverse=True)
    split = np.where(splits == "train", 0, 1 + other)
    _, stratum = np.unique(part * (len(names) + 1) + split, return_inverse=True)
    return stratum.astype(np.int64)
