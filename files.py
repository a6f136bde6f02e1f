"""This module writes a file so that it is whole or absent, and reads one that is checked.

Every file is written under a temporary name beside its place, flushed to disk and renamed. The
order matters: a rename that reached the disk before the bytes did would, after a power cut, leave a
file of the right name and of zeros. The folder is flushed last, as the rename is an entry of it.

Nothing here sets permissions or touches the process's umask, which can be read only by setting it
and is shared by all threads. Files are created by a plain `open`, to which the system applies the
umask; `tempfile.mkstemp` would create them for their owner alone.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import A2pipeError, DamagedError, UnwritableError
from .machine import host_name

FORMAT = 1
"""All checked documents have this number of a format; one with a higher number is refused."""
_CHECKSUM = "check"

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR}
_NO_FOLDER_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}
_TEMPORARY = re.compile(r"^\..+\.[^.]+\.\d+\.[0-9a-f]{8}\.tmp$")
_MEND = "run `a2pipe cache verify --deep --repair`, then compute again what it drops."


@dataclass(frozen=True)
class FileSum:
    """A FileSum has the size and checksum of a file as it lies on disk.

    bytes: its size. sha256: its SHA-256 in hexadecimal.
    """

    bytes: int
    sha256: str


# --- Writing --------------------------------------------------------------------------------------


def atomic_write_bytes(path: Path, data: bytes | bytearray | memoryview) -> FileSum:
    """Write a file of the cache as `replace_file` does, and return its size and checksum.

    Raises A2pipeError with one sentence for people if the disk is full or the folder may not be
    written (then UnwritableError).
    """
    with explained(path):
        replace_file(path, data)
    # Of the bytes in memory, so that whatever the disk makes of them is found by it.
    return FileSum(memoryview(data).nbytes, hashlib.sha256(data).hexdigest())


def replace_file(path: Path, data: bytes | bytearray | memoryview) -> None:
    """Write `data` to `path` so that a reader, a crash or a power cut sees all of it or nothing.

    Raises OSError if that fails; what was at `path` before is then untouched, and no temporary file
    is left behind.
    """
    with _renamed(path) as temp, temp.open("xb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path at which to make a file or folder that then takes the place of `path`.

    When the block ends, all of it is flushed and renamed to `path`; if the block raises, it is
    removed. Raises OSError as `replace_file` does.
    """
    with _renamed(path) as temp:
        yield temp
        for part in [*temp.rglob("*"), temp] if temp.is_dir() else [temp]:
            fsync_dir(part) if part.is_dir() else _fsync(part, os.O_RDWR)


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    temp = temporary(path)
    try:
        yield temp
        temp.replace(path)
    except BaseException:  # Ctrl-C leaves no temporary file behind either
        remove(temp)
        raise
    fsync_dir(path.parent)


def temporary(path: Path) -> Path:
    """Return a fresh name beside `path`: `.NAME.HOST.PID.RANDOM.tmp`.

    It lies in the same folder, as a rename replaces a file at once only within one file system.
    Host, process and random digits keep any two writers apart, those of two machines on one network
    file system and those of two threads.
    """
    return path.with_name(f".{path.name}.{host_name()}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


def is_temporary(name: str) -> bool:
    """Tell whether a file name is one of `temporary`, and so was left by a killed writer."""
    return _TEMPORARY.match(name) is not None


def make_folder(folder: Path) -> None:
    """Create a folder and its parents and flush each; raise A2pipeError if that is impossible."""
    with explained(folder):
        if folder.is_dir():
            return
    if folder.parent != folder:
        make_folder(folder.parent)
    with explained(folder):
        # Another process may have made it since it was looked for.
        folder.mkdir(exist_ok=True)
        fsync_dir(folder.parent)


def remove(path: Path) -> None:
    """Delete a file or a folder if it is there, as far as the system allows."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink(missing_ok=True)


def delete_file(path: Path) -> None:
    """Delete a file, if it is there, and flush its folder; raise A2pipeError if it may not be."""
    with explained(path), suppress(FileNotFoundError):
        path.unlink()
        fsync_dir(path.parent)


def fsync_dir(folder: Path) -> None:
    """Flush a folder's entries to disk; file systems that cannot are left as they are."""
    try:
        _fsync(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FSYNC:
            raise


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError while `path` is written into an error of one sentence for people.

    Raises UnwritableError if writing is not permitted, A2pipeError for a full disk and the rest.
    """
    try:
        yield
    except OSError as error:
        kind = UnwritableError if error.errno in _FORBIDDEN else A2pipeError
        raise kind(_sentence(error, path)) from error


def _sentence(error: OSError, path: Path) -> str:
    # HDF5 raises OSErrors without a number, with the system's words somewhere in the message.
    if error.errno in _FULL or os.strerror(errno.ENOSPC) in str(error):
        return (
            f"No space is left (disk or quota) to write {path}: free some, or choose another cache "
            "with --cache, and run again; everything committed so far is kept."
        )
    if error.errno in _FORBIDDEN:
        return (
            f"{path} may not be written ({error.strerror}): choose a folder you can write to "
            "with --cache or $A2PIPE_CACHE."
        )
    if error.errno in _IN_THE_WAY:
        return f"{path} could not be written, as a file is in the way: choose another folder."
    return f"{path} could not be written ({error.strerror or error}): check the path and the disk."


# --- Reading --------------------------------------------------------------------------------------


def sha256_file(path: Path) -> FileSum:
    """Return the size and SHA-256 of a file; raise OSError if it cannot be read."""
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256")
        return FileSum(handle.tell(), digest.hexdigest())


def read_checked(path: Path, expected: FileSum, verify: bool) -> bytearray:
    """Return the bytes of `path` once they are found to be those that were written.

    verify: whether to compare the checksum as well as the size.

    Raises DamagedError if the file is gone, of another size or of another checksum, and A2pipeError
    if it cannot be read.
    """
    try:
        with path.open("rb") as handle:
            data = bytearray(os.fstat(handle.fileno()).st_size)
            got = handle.readinto(data)
    except FileNotFoundError:
        raise DamagedError(f"{path} is gone: {_MEND}") from None
    except OSError as error:
        raise unreadable(path, error) from error
    if got != expected.bytes or len(data) != expected.bytes:
        raise DamagedError(f"{path} has {got} bytes instead of {expected.bytes}: {_MEND}")
    if verify and hashlib.sha256(data).hexdigest() != expected.sha256:
        raise DamagedError(f"{path} does not match its checksum: {_MEND}")
    return data


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises FileNotFoundError or NotADirectoryError if there is none, and A2pipeError if it cannot be
    read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path | str, error: OSError) -> A2pipeError:
    """Return the error of one sentence for a file that is there and cannot be read."""
    return A2pipeError(f"{path} could not be read ({error.strerror}): check the disk.")


# --- JSON documents that carry their own checksum -------------------------------------------------


def checked_json(document: Mapping[str, Any]) -> bytes:
    """Return `document` as indented JSON that carries its own checksum under the key "check".

    No proper prefix of it is valid JSON, so that a file cut short is known by that alone. Raises
    ValueError for NaN or infinity, which JSON does not have.
    """
    # By way of JSON, as the checksum is to be of what a reader gets: tuples become lists.
    plain = json.loads(json.dumps(document, allow_nan=False))
    return json.dumps({**plain, _CHECKSUM: _checksum(plain)}, indent=1).encode()


def write_checked_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write `checked_json` of a document to a file; raise as it and `atomic_write_bytes` do."""
    atomic_write_bytes(path, checked_json(document))


def parse_checked_json(data: bytes) -> dict[str, Any] | None:
    """Return the document that `checked_json` wrote, without its checksum.

    Returns None if it is cut short, altered or no such document.
    """
    document = _parse(data)
    if document is None:
        return None
    checksum = document.pop(_CHECKSUM, None)
    return document if checksum == _checksum(document) else None


def read_checked_json(path: Path) -> dict[str, Any] | None:
    """Return the document in a file that holds what `checked_json` wrote, without its checksum.

    Returns None if it is cut short or altered. Raises FileNotFoundError or NotADirectoryError if
    there is no file, and A2pipeError if it cannot be read or a newer version of a2pipe wrote it.
    """
    data = read_bytes(path)
    # Before the checksum, which a newer version may take otherwise: its work is not to be dropped.
    number = (_parse(data) or {}).get("format")
    if isinstance(number, int) and number > FORMAT:
        raise A2pipeError(
            f"{path} was written by a newer version of a2pipe (format {number}, this one reads up "
            f"to {FORMAT}): upgrade a2pipe, or use another cache."
        )
    return parse_checked_json(data)


def _parse(data: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _checksum(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
