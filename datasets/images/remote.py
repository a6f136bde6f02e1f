"""Read archives by path or by URL, and tell whether they changed. URLs are opened by fsspec."""

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
    """Tell whether a name is a URL for fsspec: s3://…, memory://…, simplecache::s3://…

    file://… is not one, as it is a path.
    """
    return _MARK in name and not name.startswith("file://")


def local_or_url(name: str | Path) -> str:
    """Return a URL as it stands, and anything else as an absolute path, without file://."""
    text = str(name)
    if is_url(text):
        return text
    return str(Path(text.removeprefix("file://")).expanduser().absolute())


def file_system(url: str) -> tuple[AbstractFileSystem, str]:
    """Return fsspec's file system for a URL, and the URL's path within it.

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
    """Return what changes when a file does; equal stamps mean an unchanged file.

    name: a path or a URL.

    Of a local file these are its size in bytes and its modification time in ns, of a URL the size,
    times and ETag that its server tells. The list is empty, which nobody may rely on, if the server
    tells no more than the size, as another file may share that.

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
    """Return `size` bytes from byte `offset` of a path or URL, fewer if the file ends before.

    Raises OSError, or whatever else a remote file system raises, for a file that cannot be read.
    """
    if not is_url(name):
        with open(name, "rb") as handle:  # noqa: PTH123
            handle.seek(offset)
            return handle.read(size)
    system, path = file_system(name)
    content: bytes = system.cat_file(path, start=offset, end=offset + size)
    return content
