"""Lay a matrix out for reading: a grid for each head and metric, with the marks of the paper.

Bold is the best attention row of a column and italic the cells where one model both attends and
embeds (arXiv 2606.03148, appendix F). A dagger warns of a baseline or control that does as well as
the best attention row, which the paper's matrices do not hold. Values are compared as shown, with
one decimal, so that cells that read alike are marked alike.
"""

import math
from collections import Counter
from dataclasses import dataclass

from .matrix import Cell, Interval, Localization, Matrix, Metric, Row, model_of

METRICS: dict[Metric, str] = {
    "accuracy": "Accuracy",
    "wga": "Worst-group accuracy",
    "worst_class": "Worst-class accuracy",
}
DASH = "–"
DAGGER = "†"
INTERVALS = "Ranges: 95 % confidence intervals."
_BLOCKS = ("attention", "combination", "control", "baseline")


@dataclass(frozen=True)
class Entry:
    """An Entry is one number of a grid and the marks that it gets.

    text: the number as it is shown, with one decimal, or a dash if it is missing.
    value: in per cent, NaN if missing.
    best: the highest of the attention rows in its column.
    diagonal: one model both attends and embeds.
    rival: a control or baseline that does as well as the best attention row.
    interval: the 95 % confidence interval, in [0, 1].
    worst: the worst group of its row, in a grid with one column a group.
    """

    text: str
    value: float = math.nan
    best: bool = False
    diagonal: bool = False
    rival: bool = False
    interval: Interval | None = None
    worst: bool = False

    @property
    def missing(self) -> bool:
        """Return whether there is no number to show."""
        return math.isnan(self.value)


@dataclass(frozen=True)
class Line:
    """A Line is one line of a grid.

    row: the row of the matrix that it shows.
    title: its label, made unique.
    opens: whether it is the first of its kind, so that a gap stands before it.
    entries: one for each column of the grid.
    """

    row: Row
    title: str
    opens: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Grid:
    """A Grid is one metric of one head, as a table.

    head: the name of the head.
    metric: the name of the metric.
    title: the metric in words.
    columns: the names of the embedding models.
    lines: one for each row of the matrix.
    """

    head: str
    metric: str
    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def limits(self) -> tuple[float, float]:
        """Return the lowest and the highest value in per cent; (0, 0) if every entry is missing."""
        every = [entry.value for line in self.lines for entry in line.entries if not entry.missing]
        return (min(every), max(every)) if every else (0.0, 0.0)


@dataclass(frozen=True)
class Place:
    """A Place is a row of the matrix with its title and the localisation measured for it."""

    row: Row
    title: str
    found: Localization


def percent(share: float | None) -> str:
    """Return a share in [0, 1] in per cent with one decimal, or a dash for None and NaN."""
    return DASH if share is None or math.isnan(share) else f"{100 * share:.1f}"


def span(interval: Interval | None, decimals: int = 1) -> str:
    """Return an interval of shares in per cent, such as "68.7–82.3", or "" if it is not defined.

    With 0 decimals its ends are rounded outwards, so that it holds no less than it says.
    """
    if interval is None or any(math.isnan(end) for end in interval):
        return ""
    if decimals:
        return DASH.join(f"{100 * end:.{decimals}f}" for end in interval)
    low, high = (round(100 * end, 6) for end in interval)
    return f"{math.floor(low)}{DASH}{math.ceil(high)}"


def grids(matrix: Matrix) -> list[Grid]:
    """Return a grid for each head and metric, in the matrix's order of both."""
    return [grid(matrix, head, metric) for head in matrix.heads for metric in matrix.metrics]


def grid(matrix: Matrix, head: str, metric: Metric) -> Grid:
    """Return the grid of one head and one metric."""
    rows, names = ordered_rows(matrix), titles(matrix)
    cells = {(cell.row, cell.column): cell for cell in matrix.cells if cell.head == head}
    attending = [row.key for row in rows if row.kind == "attention"]
    tops = {
        column: max(
            (v for key in attending if (v := _value(cells.get((key, column)), metric)) == v),
            default=math.inf,
        )
        for column in matrix.columns
    }
    lines = []
    for i, row in enumerate(rows):
        entries = (
            _entry(row, column, cells.get((row.key, column)), metric, tops[column])
            for column in matrix.columns
        )
        lines.append(Line(row, names[row.key], opens(rows, i), tuple(entries)))
    return Grid(head, metric, METRICS[metric], matrix.columns, tuple(lines))


def ordered_rows(matrix: Matrix) -> list[Row]:
    """Return attention rows, combinations, controls and baselines, in this order.

    Within a kind the matrix's order is kept.
    """
    return sorted(matrix.rows, key=lambda row: _BLOCKS.index(row.kind))


def opens(rows: list[Row], index: int) -> bool:
    """Return whether the row at this index is of another kind than the one before it."""
    return index == 0 or rows[index].kind != rows[index - 1].kind


def titles(matrix: Matrix) -> dict[str, str]:
    """Return the title of each row by its key: the label, with crops and smoothing where two
    rows share it."""
    count = Counter(row.label for row in matrix.rows)
    return {
        row.key: row.label if count[row.label] == 1 else f"{row.label} ({settings(row)})"
        for row in matrix.rows
    }


def settings(row: Row) -> str:
    """Return crops and smoothing in words, such as "crops 64 + 32 px, 3×3 mean"."""
    sizes = " + ".join(map(str, row.crops))
    crops = f"{'crop' if len(row.crops) == 1 else 'crops'} {sizes} px" if row.crops else "no crop"
    return crops if row.smooth <= 1 else f"{crops}, {row.smooth}×{row.smooth} mean"


def located(matrix: Matrix) -> list[Place]:
    """Return the rows that have a localisation, in the order of `ordered_rows`."""
    names = titles(matrix)
    pairs = [(row, matrix.localization_of(row.key)) for row in ordered_rows(matrix)]
    return [Place(row, names[row.key], found) for row, found in pairs if found]


def legend(shown: list[Grid], *, intervals: bool = True) -> str:
    """Return what the marks that occur in these grids mean, in words.

    intervals: whether confidence intervals are shown, so that a word on them is due.
    """
    entries = [entry for each in shown for line in each.lines for entry in line.entries]
    parts = [
        ("Bold: best attention of a column.", any(e.best for e in entries)),
        ("Italic: one model attends and embeds.", any(e.diagonal for e in entries)),
        (f"{DAGGER} control or baseline at or above the bold one.", any(e.rival for e in entries)),
        (INTERVALS, intervals and any(e.interval for e in entries)),
        (f"{DASH} not computed.", any(e.missing for e in entries)),
    ]
    return " ".join(text for text, occurs in parts if occurs)


def _entry(row: Row, column: str, cell: Cell | None, metric: str, top: float) -> Entry:
    """Return the entry of a row and column.

    top: the highest value of the attention rows in the column, in per cent.
    """
    value = _value(cell, metric)
    if math.isnan(value):
        return Entry(DASH)
    attends = row.kind == "attention"
    return Entry(
        text=f"{value:.1f}",
        value=value,
        best=attends and value == top,
        diagonal=attends and row.attention == model_of(column),
        rival=row.kind in ("control", "baseline") and value >= top,
        interval=getattr(cell, f"{metric}_interval"),
    )


def _value(cell: Cell | None, metric: str) -> float:
    """Return the metric in per cent, rounded as it is shown; NaN if it is not defined."""
    share = math.nan if cell is None else float(getattr(cell, metric))
    return share if math.isnan(share) else float(percent(share))
