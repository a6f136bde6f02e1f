"""What was once read of a tar or an Arrow file, remembered until the file changes.

One file an archive in a folder, each signed like the memo of image files.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .memo import read_signed, write_signed

FORMAT = 2
FOLDER = "archives"


def recall_or_read(
    memo: Path | None, archive: str, stamp: list[Any], read: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What `read` gave for this archive when its stamp was the same, else what it gives now.

    memo: the memo of image files, beside which the archives' stand; None, or an
    empty stamp, remembers nothing.
    """
    place = _place(memo, archive) if memo and stamp else None
    known = read_signed(place) if place else None
    if known and [known.get(key) for key in ("format", "archive", "stamp")] == [
        FORMAT,
        archive,
        stamp,
    ]:
        content: dict[str, Any] = known["content"]
        return content
    content = read()
    if place:
        whole = {"format": FORMAT, "archive": archive, "stamp": stamp, "content": content}
        write_signed(place, whole)
    return content


def forget_archives(memo: Path) -> bool:
    """Remove what is remembered of every archive; False where that is not permitted."""
    folder = memo.parent / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _place(memo: Path, archive: str) -> Path:
    name = hashlib.sha256(archive.encode(errors="surrogateescape")).hexdigest()[:32]
    return memo.parent / FOLDER / f"{name}.json"
