"""Remember what was read of image files, by path, size, modification time and rights.

The first line of a memo is the SHA-256 of the second, which is JSON. A memo that does not match its
checksum, parse or have the right shape is ignored: the image files are then read again.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ...files import replace_file

FORMAT = 2
# No path holds this character, so all paths can be one text, which JSON loads faster than a list.
_BETWEEN = "\0"


Stamp = tuple[int, int, int]
"""A Stamp is what a file had when it was read: size in bytes, modification time in ns, type and
rights (`st_mode`). Rights belong to it, as a file that may no longer be read is to be reported."""


class IndexedImage(NamedTuple):
    """An IndexedImage is what is known of an image whose bytes could be read.

    digest: first 32 hex digits of the SHA-256 of its bytes.
    width, height: in pixels after EXIF orientation, from the header; 0, 0 if that is no image's.
    """

    digest: str
    width: int
    height: int


MemoEntry = tuple[Stamp, IndexedImage]
"""A MemoEntry is what the memo holds of one file: its stamp, and what was read of it then."""


def load_memo(path: Path | None) -> dict[str, MemoEntry]:
    """Return what is remembered, by path or locator; empty if there is no memo or it is damaged."""
    content = read_signed(path) if path else None
    try:
        return _parse(content) if content else {}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def forget_memo(path: Path) -> bool:
    """Remove the memo; return False where that is not permitted, so that it must not be used."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def save_memo(path: Path, memo: dict[str, MemoEntry]) -> None:
    """Write the memo so that it appears whole or not at all; a folder without rights is no error.

    memo: what to remember, by path; at least one entry.
    """
    # Columns rather than rows, as a few long lists load faster than a million short ones.
    stamps, entries = zip(*memo.values(), strict=True)
    digests, *sizes = zip(*entries, strict=True)
    content = {
        "format": FORMAT,
        "paths": _BETWEEN.join(memo),
        "digests": _BETWEEN.join(digests),
        "stamps": list(zip(*stamps, strict=True)),
        "sizes": sizes,
    }
    write_signed(path, content)


def read_signed(path: Path) -> dict[str, Any] | None:
    """Return the JSON object of a sealed file; None if it is absent, damaged or no object."""
    try:
        checksum, _, content = path.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != checksum:
            return None
        found = json.loads(content)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_signed(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object after its checksum, so that the file appears whole or not at all.

    A folder that cannot be written to is no error: what was read is read again next time.
    """
    text = json.dumps(content, separators=(",", ":")).encode()
    checksum = hashlib.sha256(text).hexdigest().encode()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, checksum + b"\n" + text)


def _parse(content: dict[str, Any]) -> dict[str, MemoEntry]:
    if content["format"] != FORMAT:
        return {}
    sizes, mtimes, modes = content["stamps"]
    widths, heights = content["sizes"]
    stamps = zip(sizes, mtimes, modes, strict=True)
    entries = zip(content["digests"].split(_BETWEEN), widths, heights, strict=True)
    remembered = zip(stamps, map(IndexedImage._make, entries), strict=True)
    return dict(zip(content["paths"].split(_BETWEEN), remembered, strict=True))
