"""Read which images one Arrow file of a dataset saved by Hugging Face `datasets` holds.

The file is mapped into memory and each image is read once; no pixel is decoded.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import BadImageError, UsageError
from ..images.archive_memo import recall_or_read
from ..images.archives import arrow_column, arrow_table, row_bytes
from ..images.index import Unreadable, index_bytes
from ..images.locators import ArrowRow
from ..images.memo import IndexedImage
from ..images.remote import stamp
from ..safe_paths import join_inside

ArrowImage = tuple[str, IndexedImage | Unreadable | None]
"""An ArrowImage is the image of a row: its locator and what was read of it, or, if the row only
names an image file, that file's path and None."""


def index_rows(file: str, column: str, memo: Path | None = None) -> list[ArrowImage]:
    """Return the image of every row of a column, in row order.

    file: absolute path of an Arrow stream file.
    column: the name of a column with images.
    memo: the memo of image files, beside which the answer is remembered while the Arrow file's size
        and modification time are the same.

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
    """Yield the values of some columns for every row of Arrow files, in order.

    Yields an empty dict for every row if no column is asked for. Raises what `arrow_table` raises.
    """
    for file in files:
        table = arrow_table(file)
        if not columns:
            yield from ({} for _ in range(table.num_rows))
            continue
        for batch in table.select(list(dict.fromkeys(columns))).to_batches():
            yield from batch.to_pylist()


def _read(file: str, column: str) -> list[list[Any]]:
    """Read every row as [name, digest, width, height, reason], which JSON can remember."""
    images = arrow_column(file, column)
    return [_row(images, row) for row in range(len(images))]


def _row(images: Any, row: int) -> list[Any]:
    value = images[row].as_py()
    # `datasets` stores an image as bytes, as the path of a file, or both: bytes go first.
    named = value.get("path") if isinstance(value, dict) else None
    if isinstance(value, dict) and value.get("bytes") is None and named:
        return [named, "", 0, 0, None]
    name = PurePosixPath(named or "").name or str(row)
    try:
        content = row_bytes(images, row)
    except BadImageError as error:
        return [name, "", 0, 0, str(error)]
    return [name, *index_bytes(content), None]


def _image(
    file: str, column: str, row: int, name: str, digest: str, width: int, height: int, why: str
) -> ArrowImage:
    if not digest and why is None:
        # Neither read nor refused: the row names a file, which may not lie outside this folder.
        return join_inside(Path(file).parent, name), None
    locator = str(ArrowRow(file, column, row, name))
    return locator, Unreadable(why) if why else IndexedImage(digest, width, height)
