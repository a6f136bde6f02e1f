"""Find the cell that a person names: ROW::COLUMN::HEAD of a matrix, or a record's fingerprint."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError
from ...reports.grid import titles
from ...reports.matrix import Cell, Matrix, read_matrix
from .predictions import find_record

JOINT = "::"
_DIGITS = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True)
class NamedCell:
    """A NamedCell is one that a person chose: what it is called, and its record's fingerprint."""

    name: str
    record: str


def named(cell: Cell) -> NamedCell:
    """Return a cell of a matrix under its full name.

    Raises:
        UsageError: the cell names no record, so its predictions are not stored.
    """
    if not cell.record:
        raise UsageError(
            f"Cell {_full_name(cell)} names no record, so its predictions are not stored."
        )
    return NamedCell(_full_name(cell), cell.record)


def find_cell(text: str, matrix: Matrix | None, root: Path) -> NamedCell:
    """Return the cell that `text` names.

    text: ROW::COLUMN::HEAD in `matrix`; FILE::ROW::COLUMN::HEAD with FILE a matrix.json or its
        folder; or the first 4 to 32 digits of a record's fingerprint. A row is named by its key,
        its label or its baseline. Parts at the end may be left out and a part may be empty if that
        still names one cell only.
    root: folder of the cache in which a fingerprint is looked up.

    Raises:
        UsageError: no cell, or more than one, is named so.
        NotCachedError: no record in the cache begins so.
        A2pipeError: the file cannot be read or is no matrix.
    """
    # A file that is called like a fingerprint means the file, as the person sees it before them.
    if JOINT not in text and _DIGITS.fullmatch(text) and not Path(text).exists():
        record = find_record(root, text)
        return NamedCell(record[:12], record)
    first, *others = text.split(JOINT)
    if Path(first).suffix == ".json" or (Path(first) / "matrix.json").is_file():
        return _of_matrix(others, read_matrix(matrix_file(Path(first))), text)
    if matrix is None:
        raise UsageError(
            f"{text!r} names no cell: write FILE{JOINT}ROW{JOINT}COLUMN{JOINT}HEAD with FILE a "
            f"matrix.json, or a record's fingerprint, or name the matrix with --matrix."
        )
    return _of_matrix([first, *others], matrix, text)


def matrix_file(path: Path) -> Path:
    """Return the matrix.json in the folder `path`, or `path` itself if it is no folder."""
    return path / "matrix.json" if path.is_dir() else path


def _of_matrix(parts: Sequence[str], matrix: Matrix, text: str) -> NamedCell:
    if len(parts) > 3:
        raise UsageError(f"{text!r} has too many parts: a cell is ROW{JOINT}COLUMN{JOINT}HEAD.")
    row, column, head = [*parts, "", "", ""][:3]
    keys = _rows(row, matrix)
    found = [
        cell
        for cell in matrix.cells
        if cell.row in keys and column in ("", cell.column) and head in ("", cell.head)
    ]
    if not found:
        raise UsageError(f"{text!r} names no cell of {matrix.name}, which has {_known(matrix)}.")
    if len(found) > 1:
        raise UsageError(
            f"{text!r} names {len(found)} cells of {matrix.name}, among them "
            f"{_full_name(found[0])} and {_full_name(found[1])}; say which."
        )
    return named(found[0])


def _rows(name: str, matrix: Matrix) -> set[str]:
    """Return the keys of rows called so: by key, baseline, label, or the title in tables."""
    shown = titles(matrix)
    return {
        row.key
        for row in matrix.rows
        if name in ("", row.key, row.label, shown[row.key]) or (name and name == row.baseline)
    }


def _known(matrix: Matrix) -> str:
    """Return all names of rows, columns and heads, for a message."""
    rows = [row.key for row in matrix.rows]
    named_as = (("rows", rows), ("columns", matrix.columns), ("heads", matrix.heads))
    return "; ".join(f"{what} {', '.join(map(repr, names))}" for what, names in named_as)


def _full_name(cell: Cell) -> str:
    return JOINT.join((cell.row, cell.column, cell.head))
