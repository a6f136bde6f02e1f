"""Lay a table out as the paper prints it, with our numbers, as CSV and Markdown.

Rows are the paper's rows; columns are whatever varies within a row: the embedding model in the
matrices of tables 11 to 15, dataset and metric in most others.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..reports.tables import escape, markdown_table
from .published import Number, published
from .results import ROLES, Measured, Replacement, replaced_name, shown_value

_VARYING = ("dataset", "split", "subset", "method", "embedding", "metric")


@dataclass(frozen=True)
class Layout:
    """A Layout has the rows and columns of a table.

    table: its number. dataset: the one it is about; "" for all of the table's. titles: titles of
    the columns that name a row: "row", and "attention" and "embedding" if rows have these. columns:
    titles of the columns of numbers. lines: for each row what names it, and its numbers, None where
    it has none.
    """

    table: int
    dataset: str
    titles: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[tuple[tuple[str, ...], tuple[Number | None, ...]], ...]


def layout(table: int, replacements: Sequence[Replacement] = (), dataset: str = "") -> Layout:
    """Lay a table out.

    replacements: models that are named in place of the paper's. dataset: only its columns are
    taken; "" takes all.
    """
    rows: dict[int, list[Number]] = {}
    for number in published(table):
        if dataset in ("", number.dataset) or not number.dataset:
            rows.setdefault(number.row, []).append(number)
    varying = [name for name in _VARYING if any(_varies(row, name) for row in rows.values())]
    placed = [{_column(n, varying, replacements): n for n in row} for row in rows.values()]
    columns = tuple(dict.fromkeys(name for row in placed for name in row))
    roles = [role for role in ROLES if any(_model(row, role, ()) for row in rows.values())]
    lines = tuple(
        (
            (row[0].label, *(_model(row, role, replacements) for role in roles)),
            tuple(map(where.get, columns)),
        )
        for row, where in zip(rows.values(), placed, strict=True)
    )
    return Layout(table, dataset, ("row", *roles), columns, lines)


def layout_csv(shown: Layout, ours: Mapping[str, Measured]) -> str:
    """Return our numbers as CSV, at full precision and in the paper's units; empty if not made."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*shown.titles, *shown.columns])
    for names, numbers in shown.lines:
        writer.writerow([*names, *(_exact(n, ours) for n in numbers)])
    return text.getvalue()


def layout_markdown(
    shown: Layout, ours: Mapping[str, Measured], warnings: Sequence[str] = ()
) -> str:
    """Return our table and below it the published one as Markdown, rounded as the paper rounds."""
    values = {key: each.value for key, each in ours.items()}
    cells = {n.key: n.value for _, numbers in shown.lines for n in numbers if n}
    parts = [f"# Table {shown.table}", *map(escape, warnings)]
    parts += ["## Ours", _grid(shown, values), "## Published (arXiv 2606.03148)"]
    theirs = layout(shown.table, (), shown.dataset)
    return "\n\n".join([*parts, _grid(theirs, cells)]) + "\n"


def _grid(shown: Layout, values: Mapping[str, float]) -> str:
    head = [*shown.titles, *shown.columns]
    body = [[*names, *(_rounded(n, values) for n in numbers)] for names, numbers in shown.lines]
    return markdown_table([list(map(escape, line)) for line in (head, *body)])


def _rounded(number: Number | None, values: Mapping[str, float]) -> str:
    value = values.get(number.key, math.nan) if number else math.nan
    return shown_value(value, number).strip() if number else ""


def _exact(number: Number | None, ours: Mapping[str, Measured]) -> str:
    found = ours.get(number.key) if number else None
    return "" if found is None or math.isnan(found.value) else repr(float(found.value))


def _varies(row: Sequence[Number], name: str) -> bool:
    return len({getattr(number, name) for number in row}) > 1


def _column(number: Number, varying: Sequence[str], replacements: Sequence[Replacement]) -> str:
    """Return the title of a number's column: what varies, or its metric if nothing does."""
    words = [_word(number, name, replacements) for name in varying or ("metric",)]
    return " ".join(filter(None, words))


def _word(number: Number, name: str, replacements: Sequence[Replacement]) -> str:
    value = str(getattr(number, name))
    return replaced_name(replacements, name, value) if name == "embedding" else value


def _model(row: Sequence[Number], role: str, replacements: Sequence[Replacement]) -> str:
    """Return the row's model in a role; "" if its numbers have several or none."""
    names = {str(getattr(number, role)) for number in row}
    return replaced_name(replacements, role, names.pop()) if len(names) == 1 else ""
