"""Files that are wholly there or not at all: temporary name, flush, rename, flush the folder."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import A2pipeError, DamagedError, UnwritableError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR}
_NO_FOLDER_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}
_TEMPORARY = re.compile(r"^\..+\.[^.]+\.\d+\.[0-9a-f]{8}\.tmp$")


@dataclass(frozen=True)
class FileSum:
    """Size in bytes and hexadecimal SHA-256 of a file as it lies on disk."""

    bytes: int
    sha256: str


def host_name() -> str:
    """This machine's name, without dots."""
    return socket.gethostname().replace(".", "-").replace("/", "-") or "localhost"


def temporary(path: Path) -> Path:
    """A fresh name beside `path`: `.NAME.HOST.PID.RANDOM.tmp`; no two writers share one."""
    return path.with_name(f".{path.name}.{host_name()}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file name is one that `temporary` gives."""
    return _TEMPORARY.match(name) is not None


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into one sentence: disk full, not permitted
    (UnwritableError), or another (A2pipeError)."""
    try:
        yield
    except OSError as error:
        kind = UnwritableError if error.errno in _FORBIDDEN else A2pipeError
        raise kind(_sentence(error, path)) from error


def _sentence(error: OSError, path: Path) -> str:
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


def atomic_write_bytes(path: Path, data: bytes | bytearray | memoryview) -> FileSum:
    """Write `data` to `path` so that a reader, a crash or a power cut sees all of it or nothing.

    The bytes are flushed to disk under a temporary name, renamed into place, and the folder is
    flushed. Raises A2pipeError (one sentence) if the disk is full or the folder may not be written;
    what was at `path` before is then untouched.
    """
    view = memoryview(data).cast("B")
    with explained(path), _renamed(path) as temp, temp.open("xb") as out:
        out.write(view)
        out.flush()
        os.fsync(out.fileno())
    return FileSum(view.nbytes, hashlib.sha256(view).hexdigest())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file or folder to fill; flushed and renamed to `path`, or removed on an error."""
    with _renamed(path) as temp:
        yield temp
        for part in [*temp.rglob("*"), temp] if temp.is_dir() else [temp]:
            fsync_dir(part) if part.is_dir() else fsync_file(part)


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    temp = temporary(path)
    try:
        yield temp
        temp.replace(path)
    except BaseException:
        remove(temp)
        raise
    fsync_dir(path.parent)


def remove(path: Path) -> None:
    """Delete a file or a folder if it is there, as far as the system allows."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink(missing_ok=True)


def fsync_file(path: Path) -> None:
    """Flush a file's bytes to disk."""
    _fsync(path, os.O_RDWR)


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


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, flushing each into the one above; or A2pipeError."""
    with explained(folder):
        if folder.is_dir():
            return
    if folder.parent != folder:
        make_folder(folder.parent)
    with explained(folder):
        folder.mkdir(exist_ok=True)
        fsync_dir(folder.parent)


def sha256_file(path: Path) -> FileSum:
    """Size and SHA-256 of a file; OSError if it cannot be read."""
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256")
        return FileSum(handle.tell(), digest.hexdigest())


def read_checked(path: Path, expected: FileSum, verify: bool) -> bytearray:
    """The bytes of `path`; DamagedError if their size, or with `verify` SHA-256, is another."""
    try:
        with path.open("rb") as handle:
            data = bytearray(os.fstat(handle.fileno()).st_size)
            got = handle.readinto(data)
    except FileNotFoundError:
        raise DamagedError(f"{path} is gone: {_MEND}") from None
    except OSError as error:
        raise A2pipeError(
            f"{path} could not be read ({error.strerror}): check the disk."
        ) from error
    if got != expected.bytes or len(data) != expected.bytes:
        raise DamagedError(f"{path} has {got} bytes instead of {expected.bytes}: {_MEND}")
    if verify and hashlib.sha256(data).hexdigest() != expected.sha256:
        raise DamagedError(f"{path} does not match its checksum: {_MEND}")
    return data


_MEND = "run `a2pipe cache verify --deep --repair`, then compute again what it drops."
