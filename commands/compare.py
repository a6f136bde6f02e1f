"""The command `compare` compares cells of matrices on the same test samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import UsageError
from .options import PATH, cache_option, json_option
from .output import emit_all

if TYPE_CHECKING:
    from ..pipeline.results.across import Across
    from ..pipeline.results.comparison import Comparison, Method
    from ..reports.matrix import Matrix

_TESTS = {
    "permutation": "Permutation test",
    "bootstrap": "Paired bootstrap",
    "mcnemar": "McNemar's test",
}

_UNREAD = {"mcnemar": ("resamples", "seed"), "wilcoxon": ("resamples", "seed", "correction")}
"""It names the options that a test does not read."""


@click.command()
@click.argument("cells", nargs=-1, metavar="[A B]")
@click.option(
    "--matrix",
    "matrices",
    type=PATH,
    metavar="FILE",
    multiple=True,
    help="A matrix.json: compare all its cells, or name A and B within it. May be repeated for "
    "--test wilcoxon.",
)
@click.option(
    "--against", metavar="CELL", help="Compare all with this cell.  [the best of the matrix]"
)
@click.option(
    "--metric",
    type=click.Choice(["wga", "accuracy", "worst_class"]),
    default="wga",
    help="What is compared.",
)
@click.option(
    "--test",
    type=click.Choice([*_TESTS, "wilcoxon"]),
    default="permutation",
    help="How it is tested: wilcoxon over several matrices, the others over test samples.",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=1),
    default=10_000,
    metavar="N",
    help="Draws of the permutation test and the bootstrap.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.005,
    metavar="P",
    help="Cells differ where the corrected p-value is at most this.",
)
@click.option(
    "--correction",
    type=click.Choice(["holm", "bonferroni", "none"]),
    default="holm",
    help="Correction for several comparisons at once.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, metavar="N", help="Seed of the draws."
)
@cache_option
@json_option
def compare(
    cells: tuple[str, ...],
    matrices: tuple[Path, ...],
    against: str | None,
    cache_root: Path | None,
    as_json: bool,
    **method: Any,
) -> None:
    """Test whether cells of a matrix differ.

    \b
    A and B are cells:
      results/birds/matrix.json::ROW::COLUMN::HEAD   parts may be left out where one cell is left
      ROW::COLUMN::HEAD                              in the matrix of --matrix
      3f9c01ab7e55                                   a record, by the beginning of its fingerprint

    With --matrix alone, every cell is compared with the best. With --test wilcoxon, B is compared
    with A over the matrices that are given. This reads stored predictions; it computes no feature
    and fits nothing.
    """
    from ..cache.catalog import Cache
    from ..pipeline.results.across import compare_across
    from ..pipeline.results.cell_names import matrix_file
    from ..pipeline.results.comparison import Method
    from ..reports.matrix import read_matrix

    root, how = Cache(cache_root).root, Method(**method)
    _refuse_unread(how.test)
    read = [read_matrix(matrix_file(file)) for file in matrices]
    if how.test != "wilcoxon":
        if len(read) > 1:
            raise UsageError("Several matrices are compared with --test wilcoxon alone.")
        found = _compared(cells, read[0] if read else None, against, root, how)
        emit_all(found.to_json(), _lines(found), [_words(found)], as_json)
        return
    if len(cells) != 2 or against is not None:
        raise UsageError("Wilcoxon's test is over two cells, A and B, of several matrices.")
    across = compare_across(*cells, read, root, how)
    emit_all(across.to_json(), _pairs(across), [_across_words(across)], as_json)


def _refuse_unread(test: str) -> None:
    source = click.get_current_context().get_parameter_source
    for name in _UNREAD.get(test, ()):
        if source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name} says nothing to --test {test}: leave it out.")


def _compared(
    cells: tuple[str, ...], matrix: Matrix | None, against: str | None, root: Path, method: Method
) -> Comparison:
    from ..pipeline.results.cell_names import find_cell
    from ..pipeline.results.comparison import compare_cells, compare_matrix

    if len(cells) == 2 and against is None:
        first, second = (find_cell(cell, matrix, root) for cell in cells)
        return compare_cells(first, [second], root, method)
    if cells or matrix is None:
        raise UsageError(
            "Name two cells, A and B, or a matrix with --matrix (and a cell of it with --against)."
        )
    reference = find_cell(against, matrix, root) if against else None
    return compare_matrix(matrix, root, method, reference)


def _lines(found: Comparison) -> list[dict[str, Any]]:
    """Return one row of the table for each cell, the reference first."""
    metric = found.method.metric
    lines = []
    for cell in found.cells:
        line = {
            "cell": cell.cell,
            metric: cell.value,
            "95_%": f"{cell.low:.4f}–{cell.high:.4f}",
            "difference": cell.difference,
        }
        if found.method.test == "bootstrap":
            ends = (cell.difference_low, cell.difference_high)
            line["of_it_95_%"] = "" if None in ends else f"{ends[0]:+.4f} to {ends[1]:+.4f}"
        if metric == "accuracy":
            d = cell.cohen_d_paired
            line["cohen_d_(paired)"] = "" if d is None else d
        line |= {"p": _p_value(cell.p), "p_corrected": _p_value(cell.p_corrected)}
        lines.append({**line, "": _verdict(cell.p, cell.differs)})
    return lines


def _p_value(p: float | None) -> str:
    return "" if p is None else f"{p:.2g}"


def _verdict(p: float | None, differs: bool) -> str:
    if p is None:
        return "reference"
    return "differs" if differs else "no difference shown"


def _words(found: Comparison) -> str:
    """Say which test was made, on what and how it was corrected."""
    method, family = found.method, len(found.cells) - 1
    drawn = "exact" if found.exact else f"{method.resamples:,} resamples, seed {method.seed}"
    unit = f"{found.n:,} test samples"
    unit += f" of {found.images:,} images, which are resampled whole" * (found.images < found.n)
    several = f"{method.correction.capitalize()}'s correction over {family} comparisons"
    several = "no correction" if method.correction == "none" else several
    family_words = f"; {several}" if family > 1 else ""
    words = f"{_TESTS[method.test]} ({drawn}) on {unit}{family_words}; alpha {method.alpha:g}."
    best = " The reference is the best of them on these same samples, so its lead is flattered."
    return words + best * found.chosen


def _pairs(found: Across) -> list[dict[str, Any]]:
    """Return one row of the table for each matrix."""
    return [
        {"matrix": pair.matrix, "A": pair.reference, "B": pair.value, "difference": pair.difference}
        for pair in found.pairs
    ]


def _across_words(found: Across) -> str:
    """Say how large the difference is, by both effect sizes, and what the rank test says."""
    paired, pooled = (
        "not defined" if d is None else f"{d:.2f}"
        for d in (found.cohen_d_paired, found.cohen_d_pooled)
    )
    shown = "differs" if found.differs else "no difference shown"
    few = f"; with {found.n} pairs p is at least {found.smallest_p:.2g}"
    return (
        f"Mean difference of {found.metric} {found.difference:+.4f}; Cohen's d {paired} (paired), "
        f"{pooled} (pooled). Wilcoxon's signed-rank test over {found.n} matrices that differ: "
        f"W = {found.statistic:g}, p = {found.p:.2g}; alpha {found.alpha:g}: {shown}"
        f"{few * (found.smallest_p > found.alpha)}."
    )
