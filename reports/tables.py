"""Turn a matrix into text: tidy CSV, JSON and Markdown."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .grid import DAGGER, Entry, Grid, grids, legend, located, percent, span
from .matrix import MATRIX_FILE, Cell, Matrix

MEASURES = ("balanced_accuracy", "adjusted_accuracy", "macro_f1", "ece")
_COLUMNS = [
    *("matrix", "dataset", "collection"),
    *("row", "label", "kind", "attention", "crops", "smooth", "baseline"),
    *("embedding", "head", "n_train", "n_test", "n_left_out", "accuracy", "wga", "worst_group"),
    *("worst_class", "accuracy_low", "accuracy_high", "wga_low", "wga_high"),
    *("worst_class_low", "worst_class_high", *MEASURES, "mass", "hit", "crop_hit", "record"),
]


def to_json(matrix: Matrix) -> str:
    """Return the whole matrix as indented JSON text, of which `read_matrix` makes it again."""
    return MATRIX_FILE.text(matrix)


def to_csv(matrix: Matrix) -> str:
    """Return one line for each cell, with shares in [0, 1] at full precision.

    Every group has a column for its accuracy. Several crops are joined by "+". A field is empty
    where a value is not defined; a cell that was not computed has no line.
    """
    groups = [f"accuracy of {name}" for name in matrix.group_names]
    return csv_text([*_COLUMNS, *groups], (_values(matrix, cell) for cell in matrix.cells))


def csv_text(columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> str:
    """Return a head with the names of the columns, then a line for each mapping.

    A mapping may have more keys. A value that it lacks, None and NaN are empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for line in lines:
        # NaN alone differs from itself.
        writer.writerow({key: "" if value != value else value for key, value in line.items()})
    return text.getvalue()


def _values(matrix: Matrix, cell: Cell) -> dict[str, Any]:
    """Return the values of a cell by the names of columns, among others that are no column."""
    row = next(each for each in matrix.rows if each.key == cell.row)
    place = matrix.localization_of(cell.row)
    limits = {
        f"{metric}_{end}": limit
        for metric in ("accuracy", "wga", "worst_class")
        for end, limit in zip(
            ("low", "high"), getattr(cell, f"{metric}_interval") or (), strict=False
        )
    }
    return {
        **vars(matrix),
        **(vars(place) if place else {}),
        **vars(row),
        **vars(cell),
        **limits,
        **cell.measures,
        **{f"accuracy of {group.name}": group.accuracy for group in cell.groups},
        "matrix": matrix.name,
        "crops": "+".join(map(str, row.crops)),
        "embedding": cell.column,
    }


def to_markdown(matrix: Matrix) -> str:
    """Return the notes, a table for each head and metric, and the localisation table."""
    shown = grids(matrix)
    parts = [f"# {escape(matrix.name)}", *map(escape, matrix.notes)]
    parts += [f"Dataset: {escape(matrix.dataset)}. Values in per cent, on the test split."]
    parts += [_grid_table(each, f"## {each.title}, {escape(each.head)}") for each in shown]
    parts += [escape(legend(shown)), _localization_table(matrix)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def _grid_table(grid: Grid, heading: str) -> str:
    head = ["attention \\ embedding", *map(escape, grid.columns)]
    body = [[escape(line.title), *map(_marked, line.entries)] for line in grid.lines]
    return f"{heading}\n\n{markdown_table([head, *body])}"


def _marked(entry: Entry) -> str:
    stars = "*" * (2 * entry.best + entry.diagonal)
    interval = f" ({span(entry.interval)})" if entry.interval else ""
    return f"{stars}{entry.text}{stars}{DAGGER if entry.rival else ''}{interval}"


def _localization_table(matrix: Matrix) -> str:
    head = ["attention", "images", "mass in box", "hit", "crop hit"]
    body = [
        [escape(place.title), str(place.found.n), *map(percent, place.found.shares)]
        for place in located(matrix)
    ]
    return f"## Localisation\n\n{markdown_table([head, *body])}" if body else ""


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """Return a table with the first line as its head.

    The first column is aligned to the left, all others to the right.
    """
    head, *body = lines
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *body])
