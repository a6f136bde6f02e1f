"""Compare cells with a reference on the same test samples, with corrected p-values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ...metrics.accuracy_intervals import accuracy_interval, wga_interval
from ...metrics.corrections import CORRECTIONS, check_resolution
from ...metrics.effects import cohen_d_paired
from ...metrics.paired import TESTS, PairedTest, mcnemar_test
from ...reports.matrix import Matrix
from .cell_names import NamedCell, named
from .predictions import Predictions, read_predictions

METRICS = ("wga", "accuracy", "worst_class")


@dataclass(frozen=True)
class Method:
    """A Method says how cells are compared.

    metric: one of METRICS. test: "mcnemar" or a name in `TESTS`. resamples: number of draws of a
    test that draws. alpha: the level below which a corrected p-value counts as a difference.
    correction: a name in `CORRECTIONS`. seed: of the draws.
    """

    metric: str = "wga"
    test: str = "permutation"
    resamples: int = 10_000
    alpha: float = 0.005
    correction: str = "holm"
    seed: int = 0


@dataclass(frozen=True)
class ComparedCell:
    """A ComparedCell is one cell and its comparison with the reference.

    cell: its name. record: the fingerprint of its record. value, low, high: the metric and its 95 %
    interval. difference: the value less the reference's. difference_low, difference_high: the
    interval of the difference, None unless the test is the bootstrap. p, p_corrected: the p-value
    alone, and corrected for the number of comparisons. cohen_d_paired: the paired d of right and
    wrong over the samples, None for other metrics than accuracy. differs: whether p_corrected is at
    most alpha. In the line of the reference itself the comparison is 0, None or False.
    """

    cell: str
    record: str
    value: float
    low: float
    high: float
    difference: float = 0.0
    difference_low: float | None = None
    difference_high: float | None = None
    p: float | None = None
    p_corrected: float | None = None
    cohen_d_paired: float | None = None
    differs: bool = False


@dataclass(frozen=True)
class Comparison:
    """A Comparison holds several cells compared with one reference.

    method: how they were compared. n: number of test samples. images: number of different images
    among them. chosen: whether the reference was chosen as the best of the cells on these same
    samples, which favours it. exact: whether every p-value is exact, so that nothing was drawn.
    cells: the reference, then the others from best to worst.
    """

    method: Method
    n: int
    images: int
    chosen: bool
    exact: bool
    cells: tuple[ComparedCell, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def compare_matrix(
    matrix: Matrix, root: Path, method: Method, against: NamedCell | None = None
) -> Comparison:
    """Compare every cell of the matrix with `against`, or with the best of them if it is None.

    root: folder of the cache that holds the predictions.

    Raises:
        UsageError: the matrix has fewer than two cells; or as `compare_cells` does.
        NotCachedError: predictions are not in the cache.
    """
    cells = [named(cell) for cell in matrix.cells]
    if against is not None:
        others = [cell for cell in cells if cell.record != against.record]
        return compare_cells(against, others, root, method)
    if len(cells) < 2:
        raise UsageError(f"Matrix {matrix.name} has {len(cells)} cells: nothing to compare.")
    found = {cell: read_predictions(root, cell.record) for cell in cells}
    best = max(cells, key=lambda cell: metric_of(found[cell], method.metric))
    _check(method, len(cells) - 1)
    return _compare(best, found.pop(best), found, method, chosen=True)


def compare_cells(
    reference: NamedCell, others: Sequence[NamedCell], root: Path, method: Method
) -> Comparison:
    """Compare each of `others` with the reference, and correct the p-values for their number.

    root: folder of the cache that holds the predictions.

    Raises:
        UsageError: there is no other cell, the collections or test samples differ, the resamples
            cannot resolve alpha, or McNemar's test is asked about another metric than accuracy.
        NotCachedError: predictions are not in the cache.
    """
    _check(method, len(others))
    base = read_predictions(root, reference.record)
    found = {cell: read_predictions(root, cell.record) for cell in others}
    return _compare(reference, base, found, method, chosen=False)


def _compare(
    reference: NamedCell,
    base: Predictions,
    others: Mapping[NamedCell, Predictions],
    method: Method,
    chosen: bool,
) -> Comparison:
    """Compare cells whose predictions are read. chosen: as in `Comparison`."""
    for cell, each in others.items():
        _check_same(reference.name, base, cell.name, each)
    tests = [_test(each, base, method) for each in others.values()]
    corrected = CORRECTIONS[method.correction]([test.p for test in tests])
    rows = [
        _compared(cell, each, base, test, float(p), method)
        for (cell, each), test, p in zip(others.items(), tests, corrected, strict=True)
    ]
    first = ComparedCell(reference.name, reference.record, *_shown(base, method.metric))
    ordered = sorted(rows, key=lambda row: -row.value)
    exact = not any(test.resamples for test in tests)
    images = len(base.labels) if base.images is None else len(np.unique(base.images))
    return Comparison(method, len(base.labels), images, chosen, exact, (first, *ordered))


def _check(method: Method, comparisons: int) -> None:
    if not comparisons:
        raise UsageError("There is no other cell to compare with.")
    if method.test != "mcnemar":
        check_resolution(method.resamples, comparisons, method.alpha, method.correction)
    elif method.metric != "accuracy":
        raise UsageError(
            f"McNemar's test is about accuracy, not {method.metric}; use --metric accuracy, or "
            "another test."
        )


def _check_same(name: str, first: Predictions, other: str, second: Predictions) -> None:
    """Refuse two cells that did not predict the same samples of the same collection."""
    if first.collection != second.collection:
        raise UsageError(
            f"{name} and {other} are of different collections ({first.collection[:12]} and "
            f"{second.collection[:12]}), so their predictions cannot be paired."
        )
    if not np.array_equal(first.index, second.index):
        raise UsageError(
            f"{name} and {other} were tested on different samples ({len(first.index):,} and "
            f"{len(second.index):,}), so their predictions cannot be paired."
        )


def _test(cell: Predictions, base: Predictions, method: Method) -> PairedTest:
    if method.test == "mcnemar":
        return mcnemar_test(cell.correct, base.correct, base.images)
    return TESTS[method.test](
        cell.correct,
        base.correct,
        _groups(base, method.metric),
        base.images,
        metric="accuracy" if method.metric == "accuracy" else "worst",
        resamples=method.resamples,
        seed=method.seed,
    )


def _compared(
    cell: NamedCell,
    found: Predictions,
    base: Predictions,
    test: PairedTest,
    corrected: float,
    method: Method,
) -> ComparedCell:
    d = cohen_d_paired(found.correct, base.correct) if method.metric == "accuracy" else np.nan
    shown = (*_shown(found, method.metric), test.difference, test.low, test.high, test.p, corrected)
    effect = None if np.isnan(d) else d
    return ComparedCell(cell.name, cell.record, *shown, effect, corrected <= method.alpha)


def _groups(found: Predictions, metric: str) -> NDArray[np.int64]:
    return found.labels if metric == "worst_class" else found.groups


def metric_of(found: Predictions, metric: str) -> float:
    """Return a metric of METRICS, in [0, 1]."""
    if metric == "accuracy":
        return float(found.correct.mean())
    groups = _groups(found, metric)
    named = np.unique(groups[groups >= 0])
    return float(min(found.correct[groups == each].mean() for each in named))


def _shown(found: Predictions, metric: str) -> tuple[float, float, float]:
    """Return the metric and its 95 % interval, low and high."""
    measure = accuracy_interval if metric == "accuracy" else wga_interval
    low, high = measure(found.correct, _groups(found, metric), found.images)
    return metric_of(found, metric), low, high
