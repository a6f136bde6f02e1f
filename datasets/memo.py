"""What was once read of image files, remembered by path, size and modification time.

The first line of the file is the SHA-256 of the second, which is JSON. Anything that does not
match,
parse or have the right shape is ignored: the files are then read again.
"""

import hashlib
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = 1


class Remembered(NamedTuple):
    """One file as it was: bytes, modification time, digest, upright width and height (or 0)."""

    size: int
    mtime_ns: int
    digest: str
    width: int
    height: int


def load_memo(path: Path | None) -> dict[str, Remembered]:
    """Absolute path -> what is remembered of it; empty when there is no memo or it is damaged."""
    if path is None:
        return {}
    try:
        checksum, _, content = path.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != checksum:
            return {}
        return _parse(json.loads(content))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def forget_memo(path: Path) -> bool:
    """Remove the memo; False where that is not permitted, so that it must not be trusted."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def save_memo(path: Path, memo: dict[str, Remembered]) -> None:
    """Write the memo so that it appears whole or not at all.

    A folder that cannot be written to is no error: the files are read again next time.
    """
    content = json.dumps({"format": FORMAT, "files": memo}, separators=(",", ":")).encode()
    checksum = hashlib.sha256(content).hexdigest().encode()
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            scratch.write_bytes(checksum + b"\n" + content)
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def _parse(content: dict[str, Any]) -> dict[str, Remembered]:
    if content["format"] != FORMAT:
        return {}
    return {path: Remembered(*entry) for path, entry in content["files"].items()}
