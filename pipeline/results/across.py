"""Compare two methods across several matrices, such as those of several datasets or seeds."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...metrics.effects import cohen_d_paired, cohen_d_pooled, wilcoxon_test
from ...reports.matrix import Matrix
from .cell_names import find_cell
from .comparison import Method, metric_of
from .predictions import read_predictions


@dataclass(frozen=True)
class Pair:
    """A Pair is the two cells of one matrix.

    matrix: its name. reference, value: the metric of either cell, in [0, 1]. difference: value less
    reference.
    """

    matrix: str
    reference: float
    value: float
    difference: float


@dataclass(frozen=True)
class Across:
    """An Across says how the second method differs from the first, the reference, over matrices.

    metric: "wga", "accuracy" or "worst_class". difference: mean of the pairs' differences.
    cohen_d_paired, cohen_d_pooled: None where they are not defined. statistic, p: of Wilcoxon's
    signed-rank test over the n pairs that differ. smallest_p: below which p cannot be with so many.
    differs: whether p is at most alpha.
    """

    metric: str
    pairs: tuple[Pair, ...]
    difference: float
    cohen_d_paired: float | None
    cohen_d_pooled: float | None
    statistic: float
    p: float
    n: int
    smallest_p: float
    alpha: float
    differs: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def compare_across(
    first: str, second: str, matrices: Sequence[Matrix], root: Path, method: Method
) -> Across:
    """Compare the cell `second` with the cell `first` of every matrix, as VISI-FIN's protocol does.

    first, second: names of cells that hold in each matrix, as `find_cell` reads them. root: folder
    of the cache that holds their records. method: its metric and its alpha count.

    Raises:
        UsageError: there are fewer than two matrices, one is given twice, or a name fits no cell or
            several.
        NotCachedError: predictions are not in the cache.
    """
    pairs = _pairs(first, second, matrices, root, method.metric)
    values, references = [pair.value for pair in pairs], [pair.reference for pair in pairs]
    test = wilcoxon_test(values, references)
    return Across(
        metric=method.metric,
        pairs=pairs,
        difference=sum(pair.difference for pair in pairs) / len(pairs),
        cohen_d_paired=_or_none(cohen_d_paired(values, references)),
        cohen_d_pooled=_or_none(cohen_d_pooled(values, references)),
        statistic=test.statistic,
        p=test.p,
        n=test.n,
        # All of n differences have one sign in 2 of 2^n outcomes, the most extreme there are.
        smallest_p=min(1.0, 2 * 0.5**test.n),
        alpha=method.alpha,
        differs=test.p <= method.alpha,
    )


def _pairs(
    first: str, second: str, matrices: Sequence[Matrix], root: Path, metric: str
) -> tuple[Pair, ...]:
    if len(matrices) < 2:
        raise UsageError(
            "Wilcoxon's test compares two cells over several matrices: give --matrix for each."
        )
    records = [
        tuple(find_cell(name, matrix, root).record for name in (first, second))
        for matrix in matrices
    ]
    if len(set(records)) < len(records):
        raise UsageError("A matrix is given twice; its cells would count as further evidence.")
    pairs = []
    for matrix, names in zip(matrices, records, strict=True):
        reference, value = (metric_of(read_predictions(root, name), metric) for name in names)
        pairs.append(Pair(matrix.name, reference, value, value - reference))
    return tuple(pairs)


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
