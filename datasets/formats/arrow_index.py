"""What one Arrow file of a dataset saved by Hugging Face `datasets` holds: the images of its rows.

The file is mapped into memory and each image is read once; no pixel is decoded and none is copied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import BadImageError, UsageError
from ..images.archive_memo import recall_or_read
from ..images.archives import arrow_column, arrow_table, row_bytes
from ..images.index import DIGEST_LENGTH, Unreadable, header_size
from ..images.locators import ArrowRow
from ..images.memo import IndexedImage
from ..images.remote import stamp
from ..safe_paths import join_inside

ArrowImage = tuple[str, IndexedImage | Unreadable | None]
"""Locator and what was read; or the path of an image file that the row names, and None."""


def index_rows(file: str, column: str, memo: Path | None = None) -> list[ArrowImage]:
    """Every image of a column, in row order; remembered while the file's size and time are the
    same.

    Raises UsageError for a file that is missing or damaged, and for a row that names an image file
    outside the folder of the Arrow file.
    """
    try:
        known = recall_or_read(
            memo, f"{file}@{column}", stamp(file), lambda: {"rows": _read(file, column)}
        )
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}): save it again.") from error
    except BadImageError as error:
        raise UsageError(f"{file} is damaged ({error}): save the dataset again.") from error
    return [_image(file, column, row, *entry) for row, entry in enumerate(known["rows"])]


def rows_of(files: Sequence[str], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The values of some columns of every row; an empty dict a row where no column is wanted."""
    for file in files:
        table = arrow_table(file)
        if not columns:
            yield from ({} for _ in range(table.num_rows))
            continue
        for batch in table.select(list(dict.fromkeys(columns))).to_batches():
            yield from batch.to_pylist()


def _read(file: str, column: str) -> list[list[Any]]:
    """Name, digest, width, height and reason of every row."""
    images = arrow_column(file, column)
    return [_row(images, row) for row in range(len(images))]


def _row(images: Any, row: int) -> list[Any]:
    value = images[row].as_py()
    named = value.get("path") if isinstance(value, dict) else None
    if isinstance(value, dict) and value.get("bytes") is None and named:
        return [named, "", 0, 0, None]
    name = PurePosixPath(named or "").name or str(row)
    try:
        content = row_bytes(images, row)
    except BadImageError as error:
        return [name, "", 0, 0, str(error)]
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
    return [name, digest, *header_size(BytesIO(content)), None]


def _image(
    file: str, column: str, row: int, name: str, digest: str, width: int, height: int, why: str
) -> ArrowImage:
    if not digest and why is None:
        return join_inside(Path(file).parent, name), None
    locator = str(ArrowRow(file, column, row, name))
    return locator, Unreadable(why) if why else IndexedImage(digest, width, height)
