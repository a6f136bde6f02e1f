"""A matrix as text files: tidy CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import Any

from .grid import DAGGER, Entry, Grid, grids, legend, ordered_rows, percent, span, titles
from .matrix import MATRIX_FILE, Cell, Interval, Matrix

MEASURES = ("balanced_accuracy", "adjusted_accuracy", "macro_f1", "ece")
_COLUMNS = [
    *("matrix", "dataset", "collection"),
    *("row", "label", "kind", "attention", "crops", "smooth", "baseline"),
    *("embedding", "head", "n_train", "n_test", "n_left_out", "accuracy", "wga", "worst_group"),
    *("worst_class", "accuracy_low", "accuracy_high", "wga_low", "wga_high"),
    *("worst_class_low", "worst_class_high", *MEASURES, "mass", "hit", "crop_hit", "record"),
]


def to_json(matrix: Matrix) -> str:
    """The whole matrix as indented JSON text; `Matrix.from_json` reads its content."""
    return MATRIX_FILE.text(matrix)


def to_csv(matrix: Matrix) -> str:
    """One line a cell, shares in [0, 1] at full precision, and one column a group's accuracy.

    Several crops are joined by "+". What is not defined is empty; missing cells have no line.
    """
    groups = [f"accuracy of {name}" for name in matrix.group_names]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*_COLUMNS, *groups], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_record(matrix, cell) for cell in matrix.cells)
    return text.getvalue()


def to_markdown(matrix: Matrix) -> str:
    """Notes, one table a head and metric, and the localisation table, for a README or an issue."""
    shown = grids(matrix)
    parts = [f"# {escape(matrix.name)}", *map(escape, matrix.notes)]
    parts += [f"Dataset: {escape(matrix.dataset)}. Values in per cent, on the test split."]
    parts += [_grid_table(each, f"## {each.title}, {escape(each.head)}") for each in shown]
    parts += [escape(legend(shown)), _localization_table(matrix)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def _record(matrix: Matrix, cell: Cell) -> dict[str, Any]:
    row = next(each for each in matrix.rows if each.key == cell.row)
    place = matrix.localization_of(cell.row)
    return {
        "matrix": matrix.name,
        "dataset": matrix.dataset,
        "collection": matrix.collection,
        "row": row.key,
        "label": row.label,
        "kind": row.kind,
        "attention": row.attention,
        "crops": "+".join(map(str, row.crops)),
        "smooth": row.smooth,
        "baseline": row.baseline,
        "embedding": cell.column,
        "head": cell.head,
        "n_train": cell.n_train,
        "n_test": cell.n_test,
        "n_left_out": cell.n_left_out,
        "accuracy": _number(cell.accuracy),
        "wga": _number(cell.wga),
        "worst_group": cell.worst_group,
        "worst_class": _number(cell.worst_class),
        **_limits("accuracy", cell.accuracy_interval),
        **_limits("wga", cell.wga_interval),
        **_limits("worst_class", cell.worst_class_interval),
        **{name: _number(cell.measures.get(name)) for name in MEASURES},
        "mass": _number(place.mass if place else None),
        "hit": _number(place.hit if place else None),
        "crop_hit": _number(place.crop_hit if place else None),
        "record": cell.record,
        **{f"accuracy of {group.name}": _number(group.accuracy) for group in cell.groups},
    }


def _limits(metric: str, interval: Interval | None) -> dict[str, Any]:
    low, high = interval or (None, None)
    return {f"{metric}_low": _number(low), f"{metric}_high": _number(high)}


def _number(share: float | None) -> float | str:
    return "" if share is None or math.isnan(share) else float(share)


def _grid_table(grid: Grid, heading: str) -> str:
    head = ["attention \\ embedding", *map(escape, grid.columns)]
    body = [[escape(line.title), *map(_marked, line.entries)] for line in grid.lines]
    return f"{heading}\n\n{markdown_table([head, *body])}"


def _marked(entry: Entry) -> str:
    stars = "*" * (2 * entry.best + entry.diagonal)
    interval = f" ({span(entry.interval)})" if entry.interval else ""
    return f"{stars}{entry.text}{stars}{DAGGER if entry.rival else ''}{interval}"


def _localization_table(matrix: Matrix) -> str:
    if not matrix.localization:
        return ""
    names = titles(matrix)
    head = ["attention", "images", "mass in box", "hit", "crop hit"]
    places = [(row, matrix.localization_of(row.key)) for row in ordered_rows(matrix)]
    body = [
        [escape(names[row.key]), str(place.n)]
        + [percent(share) for share in (place.mass, place.hit, place.crop_hit)]
        for row, place in places
        if place is not None
    ]
    return f"## Localisation\n\n{markdown_table([head, *body])}"


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """The first line as the head; the first column left-aligned, the others right-aligned."""
    head, *body = lines
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *body])
