"""Remember what is slow to work out, such as the digest of a weights file, in a small JSON file.

The file may be deleted at any time, and it may be damaged or unwritable: whatever it cannot answer
is worked out again.
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...files import replace_file

T = TypeVar("T", str, bool)


def remembered(memo: Path | None, key: str, kind: type[T], work_out: Callable[[], T]) -> T:
    """Return the value that was remembered under `key`, or work it out and remember it.

    kind: the type of the value; anything else under `key` is worked out again.
    """
    known = recall(memo, key)
    if isinstance(known, kind):
        return known
    found = work_out()
    remember(memo, key, found)
    return found


def recall(memo: Path | None, key: str) -> Any | None:
    """Return the JSON value that was remembered under `key`, or None; without a memo, None."""
    return None if memo is None else _read(memo).get(key)


def remember(memo: Path | None, key: str, value: Any) -> None:
    """Keep a JSON value under `key`; do nothing if there is no memo or it cannot be written."""
    if memo is None:
        return
    # No lock: of two processes that write at once the later one wins, and what the other learned is
    # worked out again.
    content = json.dumps({**_read(memo), key: value}, indent=1, sort_keys=True)
    with contextlib.suppress(OSError):
        memo.parent.mkdir(parents=True, exist_ok=True)
        replace_file(memo, content.encode())


def file_key(path: Path) -> str:
    """Return a key for a file as it is now: path, size, times and inode; it must exist."""
    # The time of modification can be set back by tools that copy; the inode and the time of the
    # last change of any kind cannot, so a file that was replaced is never taken for the old one.
    state = path.stat()
    times = f"{state.st_mtime_ns} {state.st_ctime_ns}"
    return f"{path.resolve()} {state.st_size} {times} {state.st_ino}"


def _read(memo: Path) -> dict[str, Any]:
    try:
        content = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
