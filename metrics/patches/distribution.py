"""Describe distributions of very many numbers, which are read in parts and never held together.

Numbers are read twice. Quantiles are exact all the same: the bits of a float32 that is not negative
are ordered as the number itself, so that the first pass counts the upper 16 bits, and the second
one the lower 16 bits of the few numbers that share their upper half with a quantile.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Part = Mapping[str, NDArray[np.float32]]
Read = Callable[[], Iterable[Part]]
"""It begins to read anew, and yields numbers by the name of the group that they belong to."""

BINS = 120
QUANTILES = {"median": 0.5, "q90": 0.9, "q95": 0.95, "q99": 0.99, "q999": 0.999}
_HALF = 1 << 16
_SMOOTHING = np.array([1, 2, 3, 2, 1]) / 9


@dataclass(frozen=True)
class Distribution:
    """A Distribution describes the numbers of one group.

    name: of the group. n: how many numbers there are, at least one. mean: of all of them.
    median, q90, q95, q99, q999: quantiles, linear between two numbers as NumPy's are by default.
    smallest, largest: the ends. above: the share above the cut; None without a cut.
    low, high: the ends of the histogram. counts: the numbers in each of its bins, which are equally
        wide; the last one holds its upper end too.
    """

    name: str
    n: int
    mean: float
    median: float
    q90: float
    q95: float
    q99: float
    q999: float
    smallest: float
    largest: float
    above: float | None
    low: float
    high: float
    counts: tuple[int, ...]

    def density(self, *, smoothed: bool) -> Floats:
        """Return the histogram as a density, (bins,), whose integral is 1.

        smoothed: with weights (1, 2, 3, 2, 1) / 9 over neighbouring bins, as in LaSt-ViT's released
        plots. Beyond the ends there are zeros, so that the integral may fall below 1.
        """
        width = (self.high - self.low) / len(self.counts)
        density = np.asarray(self.counts, np.float64) / (self.n * width)
        return np.convolve(density, _SMOOTHING, "same") if smoothed else density


def describe(
    read: Read, *, span: tuple[float, float] | None = None, cut: float | None = None
) -> dict[str, Distribution]:
    """Return the distribution of each group that has numbers.

    read: is called twice and has to yield the same numbers, float32 of any shape, at least 0 and
    finite. span: the ends of the histograms, which hold all numbers; the smallest and the largest
    number of all groups if None. cut: of the share above it, strictly.

    Raises ValueError for numbers that are negative or not finite.
    """
    firsts: dict[str, _First] = {}
    for name, values in _parts(read):
        firsts.setdefault(name, _First()).add(values, cut)
    ends = span or _ends(firsts.values())
    seconds = {name: _Second.after(first, ends) for name, first in firsts.items()}
    for name, values in _parts(read):
        seconds[name].add(values)
    return {name: _distribution(name, first, seconds[name], cut) for name, first in firsts.items()}


@dataclass
class _First:
    """The first pass counts numbers by their upper 16 bits."""

    n: int = 0
    total: float = 0.0
    smallest: float = np.inf
    largest: float = 0.0
    above: int = 0
    upper: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_HALF, np.int64))

    def add(self, values: NDArray[np.float32], cut: float | None) -> None:
        self.n += values.size
        self.total += float(values.sum(dtype=np.float64))
        self.smallest = min(self.smallest, float(values.min()))
        self.largest = max(self.largest, float(values.max()))
        self.above += 0 if cut is None else int((values > cut).sum())
        self.upper += np.bincount(_bits(values) >> 16, minlength=_HALF)

    @property
    def ranks(self) -> list[int]:
        """Return the ranks, from 0, between which quantiles lie."""
        places = [(self.n - 1) * share for share in QUANTILES.values()]
        return sorted({rank for at in places for rank in (int(at), min(int(at) + 1, self.n - 1))})


@dataclass
class _Second:
    """The second pass counts the lower 16 bits where a quantile needs them, and fills bins."""

    span: tuple[float, float]
    lower: dict[int, NDArray[np.int64]]
    counts: NDArray[np.int64]

    @classmethod
    def after(cls, first: _First, span: tuple[float, float]) -> "_Second":
        halves = {_half(first, rank)[0] for rank in first.ranks}
        return cls(span, {each: np.zeros(_HALF, np.int64) for each in halves}, np.zeros(BINS, int))

    def add(self, values: NDArray[np.float32]) -> None:
        bits = _bits(values)
        for half, counts in self.lower.items():
            counts += np.bincount(bits[bits >> 16 == half] & (_HALF - 1), minlength=_HALF)
        # In float64, as NumPy would make the edges of bins float32 too.
        self.counts += np.histogram(values.astype(np.float64), BINS, self.span)[0]


def _ends(firsts: Collection[_First]) -> tuple[float, float]:
    """Return the smallest and the largest number; a bin needs some width where they are equal."""
    low = min((first.smallest for first in firsts), default=0.0)
    high = max((first.largest for first in firsts), default=0.0)
    return low, high if high > low else low + 1


def _parts(read: Read) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for part in read():
        for name, values in part.items():
            flat = np.ascontiguousarray(values, np.float32).ravel()
            if not (np.isfinite(flat) & (flat >= 0)).all():
                raise ValueError(f"{name} holds a number that is negative or not finite")
            if flat.size:
                yield name, flat


def _bits(values: NDArray[np.float32]) -> NDArray[Any]:
    # Minus zero has the highest bit set; adding zero takes the sign away.
    return (values + np.float32(0)).view(np.uint32).astype(np.int64)


def _half(first: _First, rank: int) -> tuple[int, int]:
    """Return the upper bits of the number of a rank, and its rank among those that share them."""
    upto = np.cumsum(first.upper)
    half = int(np.searchsorted(upto, rank, side="right"))
    return half, rank - int(upto[half] - first.upper[half])


def _number(first: _First, second: _Second, rank: int) -> float:
    half, place = _half(first, rank)
    low = int(np.searchsorted(np.cumsum(second.lower[half]), place, side="right"))
    return float(np.array([half << 16 | low], np.uint32).view(np.float32)[0])


def _distribution(name: str, first: _First, second: _Second, cut: float | None) -> Distribution:
    known = {rank: _number(first, second, rank) for rank in first.ranks}
    quantiles = {}
    for quantile, share in QUANTILES.items():
        place = (first.n - 1) * share
        below, above = known[int(place)], known[min(int(place) + 1, first.n - 1)]
        quantiles[quantile] = below + (above - below) * (place - int(place))
    return Distribution(
        name=name,
        n=first.n,
        mean=first.total / first.n,
        **quantiles,
        smallest=first.smallest,
        largest=first.largest,
        above=None if cut is None else first.above / first.n,
        low=second.span[0],
        high=second.span[1],
        counts=tuple(second.counts.tolist()),
    )
