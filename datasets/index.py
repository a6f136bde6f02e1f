"""The digest and size of image files, read by many threads and remembered between runs."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from itertools import chain
from pathlib import Path

from ..errors import BadImageError
from .image_files import explain, open_file, open_image, upright_size
from .memo import Remembered, load_memo, save_memo

DIGEST_LENGTH = 32
WORKERS = 16
_CHUNK = 256


@dataclass(frozen=True)
class Indexed:
    """A file whose bytes could be read.

    digest: first 32 hex digits of the SHA-256 of its bytes.
    width, height: pixels after EXIF orientation, from the header; 0, 0 where that is no image's.
    """

    digest: str
    width: int
    height: int


@dataclass(frozen=True)
class Unreadable:
    """A file whose bytes could not be read, and why."""

    reason: str


def read_index(
    paths: Sequence[str | Path], memo: Path | None = None, workers: int = WORKERS
) -> list[Indexed | Unreadable]:
    """Digest and size of each file, in the order of `paths`; a path that occurs twice is read once.

    `memo` is a file in which the answers are kept: an unchanged file (same path, size and
    modification time) is then not opened again. Raises A2pipeError only when the machine is at
    fault, never for a single bad file.
    """
    known = load_memo(memo)
    unique = list(dict.fromkeys(map(str, paths)))
    chunks = [unique[start : start + _CHUNK] for start in range(0, len(unique), _CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        answers = chain.from_iterable(pool.map(partial(_read_chunk, known), chunks))
        found = dict(zip(unique, answers, strict=True))
    if memo is not None:
        _remember(memo, known, found)
    entries = {path: _entry(answer) for path, answer in found.items()}
    return [entries[str(path)] for path in paths]


def _read_chunk(
    known: dict[str, Remembered], paths: Sequence[str]
) -> list[Remembered | Unreadable]:
    return [_read(path, known.get(path)) for path in paths]


def _read(path: str, known: Remembered | None) -> Remembered | Unreadable:
    try:
        status = os.stat(path)  # noqa: PTH116 (a second reading does little else)
        stamp = (status.st_size, status.st_mtime_ns)
        if known is not None and known[:2] == stamp and os.access(path, os.R_OK):
            return known
        with open_file(Path(path)) as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()[:DIGEST_LENGTH]
            return Remembered(*stamp, digest, *_header_size(handle))
    except BadImageError as error:
        return Unreadable(str(error))
    except (OSError, ValueError) as error:
        return _unreadable(Path(path), error)


def _unreadable(path: Path, error: OSError | ValueError) -> Unreadable:
    explained = explain(path, error)
    if isinstance(explained, BadImageError):
        return Unreadable(str(explained))
    raise explained from error


def _header_size(handle: BufferedReader) -> tuple[int, int]:
    """Upright width and height; (0, 0) for a header that is no image's: decoding will tell why."""
    handle.seek(0)
    try:
        with open_image(handle) as image:
            return upright_size(image)
    except Exception:  # Pillow raises nearly anything on a damaged header
        return 0, 0


def _remember(
    memo: Path, known: dict[str, Remembered], found: dict[str, Remembered | Unreadable]
) -> None:
    """Add what is new to the memo; an unchanged memo is not written again."""
    new = {
        path: answer
        for path, answer in found.items()
        if isinstance(answer, Remembered) and known.get(path) != answer
    }
    if new:
        save_memo(memo, known | new)


def _entry(answer: Remembered | Unreadable) -> Indexed | Unreadable:
    if isinstance(answer, Unreadable):
        return answer
    return Indexed(answer.digest, answer.width, answer.height)
