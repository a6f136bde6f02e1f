"""Open an image that has no file of its own: a member of a tar, or a row of an Arrow file."""

from __future__ import annotations

import os
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from ...errors import BadImageError
from .locators import ArrowRow, TarMember
from .remote import is_url, read_range

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_IMAGE = 1 << 30
"""An image in an archive may have this many bytes: a larger member is no photograph, and reading it
would fill the memory of whoever indexes the archive."""
TOO_LARGE = f"file is larger than {LARGEST_IMAGE >> 20:,} MiB; not read"


def open_in_archive(locator: TarMember | ArrowRow) -> BytesIO:
    """Return the bytes of the image that a locator points at, as a file in memory.

    Raises OSError if the archive cannot be opened, and BadImageError if it ends before the image
    does or is no longer what the locator was made from.
    """
    if isinstance(locator, TarMember):
        return BytesIO(_member(locator))
    return BytesIO(row_bytes(arrow_column(locator.file, locator.column), locator.row))


def row_bytes(column: pa.ChunkedArray, row: int) -> bytes:
    """Return the encoded image in one row of an Arrow column.

    column: binary, or structs with a field `bytes`, as Hugging Face `datasets` stores images.
    row: counted from 0.

    Raises BadImageError if there is no such row or it holds no bytes.
    """
    if row >= len(column):
        raise BadImageError("the file no longer has this row")
    value = column[row].as_py()
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise BadImageError("the row has no image")
    return content


def arrow_column(file: str, column: str) -> pa.ChunkedArray:
    """Return a column of an Arrow stream file, which is mapped into memory and kept open.

    Raises BadImageError for a file that is no Arrow stream or lacks the column, and OSError if it
    cannot be opened.
    """
    table = arrow_table(file)
    if column not in table.column_names:
        raise BadImageError(f"the file has no column {column!r}")
    return table.column(column)


def arrow_table(file: str) -> pa.Table:
    """Return an Arrow stream file as a table, mapped into memory.

    Raises BadImageError for a file that is no Arrow stream, and OSError if it cannot be opened.
    """
    # One image is asked for at a time, so the mapping is kept; a file that was replaced since has
    # another size or time, and is mapped anew rather than read at the old file's offsets.
    status = os.stat(file)  # noqa: PTH116
    return _mapped(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _mapped(file: str, _size: int, _mtime_ns: int) -> pa.Table:
    """Map the whole file without copying it; the unused arguments are part of the cache's key."""
    import pyarrow as pa

    try:
        return pa.ipc.open_stream(pa.memory_map(file)).read_all()
    except pa.ArrowInvalid as error:
        raise BadImageError("not an Arrow stream file, or it is cut short") from error


def _member(locator: TarMember) -> bytes:
    # The index lists a larger member as unreadable; a locator may come from elsewhere.
    if locator.size > LARGEST_IMAGE:
        raise BadImageError(TOO_LARGE)
    try:
        content = read_range(locator.archive, locator.offset, locator.size)
    except OSError:
        raise
    except Exception as error:  # a remote file system raises whatever its client does
        if not is_url(locator.archive):
            raise
        raise BadImageError(f"its archive cannot be read: {error}") from error
    if len(content) < locator.size:
        raise BadImageError("its archive is cut short")
    return content
