"""Files by path or by URL: where they are and whether they changed. URLs are fsspec's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError, first_line

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_CHANGES = ("size", "mtime", "created", "ETag", "etag", "LastModified", "last_modified", "updated")
_MARK = "://"


def is_url(name: str) -> bool:
    """Whether fsspec has to be asked: s3://…, memory://…, simplecache::s3://…; not file://…"""
    return _MARK in name and not name.startswith("file://")


def local_or_url(name: str | Path) -> str:
    """An absolute path, or a URL as it stands; file:// becomes a path."""
    text = str(name)
    if is_url(text):
        return text
    return str(Path(text.removeprefix("file://")).expanduser().absolute())


def file_system(url: str) -> tuple[AbstractFileSystem, str]:
    """fsspec's file system and its own name for what a URL points at.

    Raises UsageError for a protocol that is unknown or needs a package that is not installed.
    """
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"{url} cannot be opened ({first_line(error)}): install fsspec's package "
            "for it, or give a path."
        ) from error
    return system, path


def stamp(name: str) -> list[Any]:
    """What changes when a file does: size and modification time, or what its server tells.

    Empty where a server tells the size at most, which another file may share.

    Raises OSError, or whatever else a remote file system raises, for a file that is not there.
    """
    if not is_url(name):
        status = os.stat(name)  # noqa: PTH116
        return [status.st_size, status.st_mtime_ns]
    system, path = file_system(name)
    info = system.info(path)
    told = {key: str(info[key]) for key in _CHANGES if info.get(key) is not None}
    return list(told.values()) if told.keys() - {"size"} else []


def read_range(name: str, offset: int, size: int) -> bytes:
    """`size` bytes from byte `offset`, fewer where the file ends before. Raises as `stamp` does."""
    if not is_url(name):
        with open(name, "rb", buffering=0) as handle:  # noqa: PTH123
            handle.seek(offset)
            return _read_all(handle, size)
    system, path = file_system(name)
    content: bytes = system.cat_file(path, start=offset, end=offset + size)
    return content


def _read_all(handle: Any, size: int) -> bytes:
    """An unbuffered read may give less than it was asked for."""
    parts = []
    while size and (part := handle.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
