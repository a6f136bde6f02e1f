"""Which samples a limit keeps: a small sample of a collection that still shows all of its parts."""

import numpy as np
from numpy.typing import NDArray


def stratified_indices(
    parts: NDArray[np.int64], splits: NDArray[np.str_], n: int
) -> NDArray[np.int64]:
    """Ascending indices of `n` samples (0 < n <= N): the first ones of every part x split."""
    stratum = _strata(parts, splits)
    counts = np.bincount(stratum)
    kept = proportional_counts(counts, n)
    order = np.argsort(stratum, kind="stable")
    rank = np.empty(len(stratum), np.int64)
    rank[order] = np.arange(len(stratum)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.flatnonzero(rank < kept[stratum])


def proportional_counts(counts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Deal `n` over parts of these sizes in proportion: integers that sum to `n`, none above its
    count.

    Every part gets at least one; where `n` is smaller than the number of parts, the first ones do.
    """
    if n <= len(counts):
        return (np.arange(len(counts)) < n).astype(np.int64)
    small = np.zeros(len(counts), bool)
    while True:
        rest = np.where(small, 0, counts)
        quota = rest * (n - small.sum()) / max(rest.sum(), 1)
        newly = ~small & (quota < 1)
        if not newly.any():
            break
        small |= newly
    return np.where(small, 1, _rounded(quota, n - int(small.sum())))


def _rounded(quota: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Largest remainders: whole numbers next to `quota` that sum to `total`."""
    whole = np.floor(quota + 1e-9).astype(np.int64)
    largest = np.argsort(whole - quota, kind="stable")[: total - int(whole.sum())]
    whole[largest] += 1
    return whole


def _strata(parts: NDArray[np.int64], splits: NDArray[np.str_]) -> NDArray[np.int64]:
    """Number each part x split; a part's splits stand together, so a tight limit keeps both."""
    _, part = np.unique(parts, return_inverse=True)
    names, other = np.unique(splits, return_inverse=True)
    split = np.where(splits == "train", 0, 1 + other)
    _, stratum = np.unique(part * (len(names) + 1) + split, return_inverse=True)
    return stratum.astype(np.int64)
