"""A small JSON file that remembers what is slow to work out, such as the digest of a weights file.

It may be deleted at any time, it may be torn or unwritable: what it held is then worked out again.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from ...files import replace_file


def recall(memo: Path | None, key: str) -> Any | None:
    """What was remembered under `key`, or None."""
    return None if memo is None else _read(memo).get(key)


def remember(memo: Path | None, key: str, value: Any) -> None:
    """Keep a JSON value under `key`; of two writers at once the later wins."""
    if memo is None:
        return
    content = json.dumps({**_read(memo), key: value}, indent=1, sort_keys=True)
    with contextlib.suppress(OSError):
        memo.parent.mkdir(parents=True, exist_ok=True)
        replace_file(memo, content.encode())


def file_key(path: Path) -> str:
    """A file as it lies there now; times alone can be set to what they were, its inode and the time
    of its last change of any kind cannot."""
    state = path.stat()
    times = f"{state.st_mtime_ns} {state.st_ctime_ns}"
    return f"{path.resolve()} {state.st_size} {times} {state.st_ino}"


def _read(memo: Path) -> dict[str, Any]:
    try:
        content = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
