"""JSON documents that carry their own checksum, so that a torn or altered one is never believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import A2pipeError

FORMAT = 1
_SEAL = "check"


def seal(document: Mapping[str, Any]) -> bytes:
    """Indented JSON of `document` plus its checksum; no proper prefix of it is valid JSON.

    ValueError for NaN or infinity, which JSON does not have.
    """
    plain = json.loads(json.dumps(document, allow_nan=False))
    return json.dumps({**plain, _SEAL: _checksum(plain)}, indent=1).encode()


def unseal(data: bytes) -> dict[str, Any] | None:
    """The document without its checksum; None if it is torn, altered or no such document."""
    document = parse(data)
    if document is None:
        return None
    check = document.pop(_SEAL, None)
    return document if check == _checksum(document) else None


def parse(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data`, unchecked; None if there is none."""
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def refuse_newer(path: Path, data: bytes) -> None:
    """A2pipeError if the document at `path` says that a newer version of a2pipe wrote it."""
    number = (parse(data) or {}).get("format")
    if isinstance(number, int) and number > FORMAT:
        raise A2pipeError(
            f"{path} was written by a newer version of a2pipe (format {number}, this one reads up "
            f"to {FORMAT}): upgrade a2pipe, or use another cache."
        )


def read_sealed(path: Path) -> dict[str, Any] | None:
    """The document at `path` without its checksum; None if it is torn or altered.

    FileNotFoundError or NotADirectoryError if there is none; A2pipeError if it cannot be read or a
    newer version wrote it.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise A2pipeError(
            f"{path} could not be read ({error.strerror}): check the disk."
        ) from error
    refuse_newer(path, data)
    return unseal(data)


def _checksum(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
