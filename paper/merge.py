"""Several matrices of one dataset as one: cells that no experiment computed are absent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from ..reports.results import Matrix, address

T = TypeVar("T")


def merged(matrices: Sequence[Matrix], name: str, notes: Sequence[str]) -> Matrix:
    """The rows, columns, heads and cells of all, each once; the first says how it was run."""
    first = matrices[0]
    rows = {row.key: row for each in matrices for row in each.rows}
    cells = {address(cell): cell for each in matrices for cell in each.cells}
    places = {place.row: place for each in matrices for place in each.localization}
    return replace(
        first,
        name=name,
        rows=tuple(rows.values()),
        columns=_once(column for each in matrices for column in each.columns),
        heads=_once(head for each in matrices for head in each.heads),
        cells=tuple(cells.values()),
        localization=tuple(places.values()),
        notes=tuple(notes),
    )


def _once(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))
