"""Remember what a tar or an Arrow file holds, so that it is read again only when it changes.

The folder `archives` beside the memo of image files has one file for each archive, sealed by a
checksum as that memo is.
"""

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
    """Return what an archive holds, from its memo while its stamp is the same, else by `read()`.

    memo: the path of the memo of image files, beside which those of archives lie; None remembers
        nothing.
    archive: the absolute path or URL of the archive, which may carry a column after `@`.
    stamp: what changes when the archive does (see `remote.stamp`); an empty one remembers nothing.
    read: reads the archive; its answer has to survive JSON. What it raises passes through.
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
    """Remove what is remembered of every archive; return False where that is not permitted.

    memo: the path of the memo of image files, beside which those of archives lie.
    """
    folder = memo.parent / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _place(memo: Path, archive: str) -> Path:
    # An archive's path may hold bytes that are no UTF-8; Python keeps them as surrogates.
    name = hashlib.sha256(archive.encode(errors="surrogateescape")).hexdigest()[:32]
    return memo.parent / FOLDER / f"{name}.json"
