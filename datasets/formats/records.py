"""Turn samples that are described one by one, as those of a tar are, into a manifest's table."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UsageError
from .manifest_table import CORNERS, ManifestTable


def cell_text(value: Any) -> str:
    """Return a value as the text of a manifest's cell: "" for None and NaN, "3" for 3.0, "true"."""
    # Only NaN differs from itself.
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def table_from_records(
    name: Path | str,
    records: Iterable[Mapping[str, Any]],
    boxes: Iterable[Sequence[Sequence[float]]],
    columns: Mapping[str, str],
) -> ManifestTable:
    """Return a table with a row for every box of a record, and one for a record without boxes.

    name: the file or folder that errors name.
    records: for each sample its values by column name; each has an `image_id`, by which errors name
        it, and each is a sample of its own, whatever others it agrees with.
    boxes: for each record its boxes x0, y0, x1, y1 in pixels.
    columns: maps a manifest's column names to those of the records, where these differ.
    """
    import pandas as pd

    rows: list[dict[str, str]] = []
    numbers: list[int] = []
    for number, (record, found) in enumerate(zip(records, boxes, strict=True)):
        row = {name: cell_text(value) for name, value in record.items()}
        # repr() keeps every digit of a float, so that boxes survive as text.
        cornered = [dict(zip(CORNERS, map(repr, map(float, box)), strict=True)) for box in found]
        rows += [row | corners for corners in cornered] or [row]
        numbers += [number] * (len(cornered) or 1)
    frame = pd.DataFrame(rows, dtype="object").fillna("").astype("string")
    return ManifestTable(
        name, frame, columns, named_by="image_id", records=np.array(numbers, np.int64)
    )


def parse_boxes(
    where: str, value: Any, must: str = "boxes must be a list of [x0, y0, x1, y1]"
) -> list[list[float]]:
    """Return the boxes of four numbers that a JSON value lists, as floats; none for None.

    where: the file or member that an error names.
    must: what an error says that the value must be.

    Raises UsageError for any other value.
    """
    listed = [] if value is None else value
    if isinstance(listed, list) and all(map(_is_box, listed)):
        return [list(map(float, box)) for box in listed]
    raise UsageError(f"{where}: {must} in pixels.")


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(number, int | float) and number == number for number in value)
    )
