"""Gather samples into units of resampling, and resample them by group.

A unit is what is drawn or swapped as a whole: an image with all its samples, or one sample if none
share an image. Units of one kind add the same to every group. They are drawn by their number, from
multinomial and binomial distributions, which is exactly the distribution of drawing one by one: a
test set has far fewer kinds than samples.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HELD = 1 << 22
"""So many counts are held in memory at once: 32 MiB."""


@dataclass(frozen=True, eq=False)
class Units:
    """Units are P kinds of units over G groups.

    kinds: (P, G, 3), what one unit of a kind adds to each group: samples, right samples of the
        first set of predictions, right samples of the second.
    counts: (P,), number of units of each kind.
    strata: (P,), group with which each kind is drawn. An image with samples in several groups goes
        with the first of them.
    """

    kinds: NDArray[np.int64]
    counts: NDArray[np.int64]
    strata: NDArray[np.int64]

    @property
    def totals(self) -> NDArray[np.int64]:
        """Return what all units together add up to, (G, 3)."""
        return np.asarray(np.tensordot(self.counts, self.kinds, 1))


def gather_units(
    first: NDArray[Any], second: NDArray[Any], groups: NDArray[Any], images: NDArray[Any] | None
) -> Units:
    """Return the units of two sets of predictions on the same samples.

    first, second: bool (N,), whether each prediction is right. groups: integer (N,); the numbers
    that occur become groups 0 to G - 1. images: (N,), equal for samples that share an image; None
    if none do.
    """
    # One number a sample says all that counts of it: 4 * group + 2 * first right + second right.
    # Units with the same sorted numbers are of one kind.
    names, group = np.unique(groups, return_inverse=True)
    code = 4 * group + 2 * np.asarray(first, np.int64) + np.asarray(second, np.int64)
    found = sorted(Counter(_signatures(code, images)).items())
    kinds = np.zeros((len(found), len(names), 3), np.int64)
    for kind, (signature, _) in zip(kinds, found, strict=True):
        for each in signature:
            kind[each // 4] += (1, each // 2 % 2, each % 2)
    counts = np.array([count for _, count in found], np.int64)
    return Units(kinds, counts, np.array([signature[0] // 4 for signature, _ in found], np.int64))


def resampled_totals(units: Units, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield the totals of resamples, drawn with replacement within strata, (draws, G, 3) at a time.

    resamples: how many there are in all. seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    strata = [np.flatnonzero(units.strata == each) for each in np.unique(units.strata)]
    for draws in _portions(units, resamples):
        totals = np.zeros((draws, *units.kinds.shape[1:]))
        for members in strata:
            counts, kinds = units.counts[members], units.kinds[members]
            # Most strata touch one group: the others' columns would be products with zeros.
            touched = kinds.any(axis=(0, 2))
            times = generator.multinomial(counts.sum(), counts / counts.sum(), draws)
            totals[:, touched] += _summed(times, kinds[:, touched])
        yield totals


def swapped_totals(units: Units, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield the totals after each unit's two predictions changed places with probability 1/2.

    They come (draws, G, 3) at a time. Arguments as for `resampled_totals`.
    """
    generator = np.random.default_rng(seed)
    free, change, start = _swaps(units)
    for draws in _portions(units, resamples):
        times = generator.binomial(free, 0.5, (draws, len(free)))
        yield start + _summed(times, change)


def all_swaps(units: Units, most: int) -> tuple[Floats, Floats] | None:
    """Return the totals of all M outcomes of swapping, (M, G, 3), and their probabilities, (M,).

    Returns None if M is larger than `most`.
    """
    from scipy.stats import binom

    free, change, start = _swaps(units)
    shape: list[int] = (free + 1).tolist()
    outcomes = math.prod(shape)
    if outcomes > most:
        return None
    times = np.indices(shape).reshape(len(free), outcomes).T
    chances = np.prod(binom.pmf(times, free, 0.5), axis=1)
    return start + _summed(times, change), chances


def _signatures(code: NDArray[np.int64], images: NDArray[Any] | None) -> list[tuple[int, ...]]:
    """Return the numbers of each unit's samples, sorted."""
    if images is None:
        return [(each,) for each in code.tolist()]
    order = np.lexsort((code, images))
    starts = np.flatnonzero(np.diff(np.asarray(images)[order])) + 1
    return [tuple(unit.tolist()) for unit in np.split(code[order], starts)]


def _summed(times: NDArray[np.int64], kinds: NDArray[np.int64]) -> Floats:
    """Return the totals (draws, G, 3) of each kind (P, G, 3) taken so many times (draws, P)."""
    # In doubles, as NumPy has no fast product of integer matrices; the counts stay exact.
    sums: Floats = np.tensordot(times.astype(np.float64), kinds.astype(np.float64), 1)
    return sums


def _swaps(units: Units) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the kinds that swapping changes: their numbers, what a swap adds, and the start.

    The start is the totals before any swap.
    """
    # A kind and its mirror image are merged, turned the same way round, so that all outcomes can be
    # listed more often.
    merged: Counter[bytes] = Counter()
    start = units.totals
    for kind, count in zip(units.kinds, units.counts.tolist(), strict=True):
        turn = kind[:, [0, 2, 1]] - kind
        if not turn.any():
            continue
        if turn.ravel()[np.flatnonzero(turn)[0]] < 0:
            start, turn = start + count * turn, -turn
        merged[turn.tobytes()] += count
    shape = (len(merged), *units.kinds.shape[1:])
    change = np.frombuffer(b"".join(merged), np.int64).reshape(shape)
    return np.fromiter(merged.values(), np.int64, len(merged)), change, start


def _portions(units: Units, resamples: int) -> Iterator[int]:
    """Yield how many draws to make at a time, so that HELD counts are in memory at most."""
    at_once = max(1, HELD // max(1, 3 * len(units.counts), 3 * units.kinds.shape[1]))
    for start in range(0, resamples, at_once):
        yield min(at_once, resamples - start)
