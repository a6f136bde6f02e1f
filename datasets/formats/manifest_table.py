"""Read a manifest's table: every cell as text, and the boxes of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import UsageError, first_line
from ...registry import did_you_mean
from ..collection import NO_BOXES, Boxes

if TYPE_CHECKING:
    import pandas as pd

CORNERS = ("x0", "y0", "x1", "y1")
COLUMNS = ("path", "label", "class", "split", "group", "attribute", "image_id", *CORNERS)
SAMPLE_COLUMNS = tuple(name for name in COLUMNS if name not in ("path", *CORNERS))
"""A sample whose image and boxes are described elsewhere than in a table has these columns."""
ALIASES = {"attribute": "place"}
SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, eq=False)
class ManifestTable:
    """A ManifestTable is a manifest in memory.

    path: the file or folder that errors name.
    frame: one row for a sample or a box; every cell is text, "" for none.
    columns: maps names of COLUMNS to columns of the frame, where these differ.
    named_by: the column whose value names a row in errors; "" names rows by their number.
    records: int64, (rows,), the number of the sample that a row belongs to; None if rows that agree
        belong to one sample.
    """

    path: Path | str
    frame: pd.DataFrame
    columns: Mapping[str, str]
    named_by: str = ""
    records: NDArray[np.int64] | None = None

    def optional(self, name: str) -> pd.Series[str] | None:
        """Return a column by its name in COLUMNS, or None if the table has no such column.

        Raises UsageError if `columns` maps the name to a column that is not there.
        """
        wanted = self.columns.get(name)
        if wanted is not None:
            if wanted not in self.frame:
                raise self._lacks(wanted, f"name another by the dataset option {name}=COLUMN")
            return self.frame[wanted]
        for column in (name, ALIASES.get(name)):
            if column in self.frame:
                return self.frame[column]
        return None

    def required(self, name: str) -> pd.Series[str]:
        """Return a column by its name in COLUMNS; raise UsageError if there is none."""
        column = self.optional(name)
        if column is None:
            raise self.missing_column(name)
        return column

    def missing_column(self, wanted: str) -> UsageError:
        """Return the error for a column that is not there; it names those that are."""
        remedy = f"rename one, or say which it is by the dataset option {wanted}=COLUMN"
        return self._lacks(wanted, remedy)

    def _lacks(self, wanted: str, remedy: str) -> UsageError:
        there = ", ".join(map(str, self.frame.columns))
        return UsageError(f"{self.path} has no column {wanted!r} (its columns: {there}): {remedy}.")

    def refuse_rows(self, bad: ArrayLike, column: str, problem: str) -> None:
        """Raise UsageError for the first row for which `bad` holds, if there is one.

        bad: bool, (rows,).
        column: the name in COLUMNS that the message shows with the row's value.
        problem: the predicate of the message, such as "is empty".

        The message counts rows from 1, without the header.
        """
        rows = np.flatnonzero(np.asarray(bad, bool))
        if len(rows):
            row = int(rows[0])
            value = self.frame.get(self.columns.get(column, column))
            shown = "" if value is None else f" ({value.iloc[row]!r})"
            name = self.frame[self.named_by].iloc[row] if self.named_by else f"row {row + 1}"
            raise UsageError(f"{self.path}, {name}: {column}{shown} {problem}.")


@dataclass(frozen=True, eq=False)
class SampleBoxes:
    """SampleBoxes are the samples that the rows of a table make up, and their boxes.

    rows: int64, (N,), the first row of each sample, ascending.
    boxes: for each sample float64, (k, 4), x0, y0, x1, y1 in pixels; k may be 0.
    """

    rows: NDArray[np.int64]
    boxes: Boxes


def read_table(path: Path, columns: Mapping[str, str]) -> ManifestTable:
    """Read a .csv or .parquet file.

    columns: maps names of COLUMNS to the file's columns, where these differ.

    Raises UsageError if the file is missing, empty, neither of the two or damaged, and for a name
    in `columns` that is none of COLUMNS.
    """
    check_columns(columns, COLUMNS, "A manifest has no column")
    if not path.is_file():
        raise UsageError(f"Manifest {path} does not exist: check its path.")
    frame = _read_frame(path)
    if frame.empty:
        raise UsageError(f"Manifest {path} has no rows: list one sample a row.")
    return ManifestTable(path, frame, columns)


def check_columns(columns: Iterable[str], known: Sequence[str], lacks: str) -> None:
    """Raise UsageError, whose message begins with `lacks`, for a name that is not a known one."""
    for name in columns:
        if name not in known:
            advice = did_you_mean(name, known, f"use {', '.join(known) or 'none'}.")
            raise UsageError(f"{lacks} {name!r}: {advice}")


def samples_with_boxes(table: ManifestTable, keys: Sequence[Any]) -> SampleBoxes:
    """Gather the rows that agree in all keys into one sample with all their boxes.

    table: its corners are read; without corner columns every row is a sample.
    keys: columns of length `rows`. A row without a box is a sample of its own, whatever others it
        agrees with.

    Raises UsageError for a box with corners missing, that are no numbers, or without area.
    """
    corners = _corners(table)
    if corners is None:
        count = len(table.frame)
        return SampleBoxes(np.arange(count), (NO_BOXES,) * count)
    has_box = np.asarray(~np.isnan(corners).any(axis=1))
    sample = _numbered_rows(keys)
    # Numbers above all others, so that a row without a box joins no other row.
    sample[~has_box] = len(sample) + np.flatnonzero(~has_box)

    # np.unique numbers samples by key; they are to stand in the order of their first rows.
    _, first, inverse = np.unique(sample, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[inverse]
    return SampleBoxes(np.sort(first), _gather(corners, place, has_box, len(first)))


def _gather(
    corners: NDArray[np.float64], place: NDArray[np.int64], has_box: NDArray[np.bool_], count: int
) -> Boxes:
    """Return the boxes of samples 0, 1, …, each in row order; `place` is the sample of each row."""
    boxed = np.flatnonzero(has_box)
    boxed = boxed[np.argsort(place[boxed], kind="stable")]
    ends = np.cumsum(np.bincount(place[boxed], minlength=count))
    starts = np.concatenate([[0], ends[:-1]])
    stacked = corners[boxed]
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return tuple([stacked[start:end] if start < end else NO_BOXES for start, end in pairs])


def _numbered_rows(keys: Sequence[Any]) -> NDArray[np.int64]:
    """Return the same number for rows that agree in all keys."""
    import pandas as pd

    frame = pd.DataFrame({str(index): np.asarray(key) for index, key in enumerate(keys)})
    number = frame.groupby(list(frame.columns), sort=False).ngroup()
    return np.array(number, np.int64)


def _corners(table: ManifestTable) -> NDArray[np.float64] | None:
    """Return float64 (rows, 4), NaN in a row without a box; None if the table has no corners."""
    columns = [table.optional(corner) for corner in CORNERS]
    if all(column is None for column in columns):
        return None
    corners = np.stack([_numbers(table, corner) for corner in CORNERS], axis=1)
    known = ~np.isnan(corners)
    table.refuse_rows(known.any(axis=1) & ~known.all(axis=1), "box", "lacks some of x0, y0, x1, y1")
    flat = (corners[:, 2:] <= corners[:, :2]).any(axis=1)
    table.refuse_rows(flat, "box", "has no area: x1 > x0 and y1 > y0 are expected")
    return corners


def _numbers(table: ManifestTable, name: str) -> NDArray[np.float64]:
    import pandas as pd

    text = table.required(name)
    numbers = pd.to_numeric(text, errors="coerce")
    values = numbers.to_numpy(np.float64, na_value=np.nan)
    # An empty cell is no box; anything else that is no finite number is a mistake.
    wrong = ~np.isfinite(values) & (text != "").to_numpy(bool)
    table.refuse_rows(wrong, name, "is not a number")
    return values


def _read_frame(path: Path) -> pd.DataFrame:
    """Read a file with every cell as text."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".csv":
            # As text: guessed types make a missing value of a class "NA", and the number 1 of "01".
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            # pandas takes the surplus cells of rows that are longer than the header for an index.
            if not isinstance(frame.index, pd.RangeIndex):
                raise ValueError("its rows have more cells than its header")
            return frame.fillna("")
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
            return frame.astype("string").fillna("").reset_index(drop=True)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (ValueError, OSError, pd.errors.ParserError) as error:
        problem = first_line(error).rstrip(".")
        raise UsageError(f"Manifest {path} cannot be read as a table: {problem}.") from error
    raise UsageError(f"Manifest {path} is neither .csv nor .parquet: convert it to one of these.")
