"""The digest and size of image files, read by many threads and remembered between runs."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from ...errors import BadImageError
from .image_files import Readable, explain, open_file, open_image, upright_size
from .memo import IndexedImage, MemoEntry, Stamp, load_memo, save_memo

DIGEST_LENGTH = 32
WORKERS = 16
_CHUNK = 256
QUICK_STAT, QUICK_READ = 50e-6, 300e-6
T = TypeVar("T")


@dataclass(frozen=True)
class Unreadable:
    """A file whose bytes could not be read, and why."""

    reason: str


def read_index(
    paths: Sequence[str | Path], memo: Path | None = None, workers: int = WORKERS
) -> list[IndexedImage | Unreadable]:
    """Digest and size of each file, in the order of `paths`; a path that occurs twice is read once.

    `memo` is a file in which the answers are kept: an unchanged file (same path, size,
    modification time and rights) is then not opened again. Raises A2pipeError only when the machine
    is at fault, never for a single bad file.
    """
    known = load_memo(memo)
    unique = list(dict.fromkeys(map(str, paths)))
    old = [path for path in unique if path in known]
    with ThreadPoolExecutor(workers) as pool:
        same = set(_in_chunks(partial(_unchanged, known), old, pool, QUICK_STAT))
        changed = [path for path in unique if path not in same]
        read = dict(zip(changed, _in_chunks(_read, changed, pool, QUICK_READ), strict=True))
    new = {path: answer for path, answer in read.items() if isinstance(answer, tuple)}
    if memo is not None and new:
        save_memo(memo, known | new)
    answers: dict[str, MemoEntry | Unreadable] = {**known, **read}
    return [_entry(answers[str(path)]) for path in paths]


def _in_chunks(
    work: Callable[[str], T], paths: list[str], pool: ThreadPoolExecutor, quick: float
) -> Iterator[T]:
    """`work` of every path, in order.

    The first chunk is timed in this thread, and the others stay in it where a file takes fewer than
    `quick` seconds: small files on a local disk, for which threads only wait for each other.
    """
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    start = time.perf_counter()
    first = [work(path) for path in paths[:_CHUNK]]
    run = map if time.perf_counter() - start < len(first) * quick else pool.map
    return chain(first, chain.from_iterable(run(partial(_each, work), chunks[1:])))


def _each(work: Callable[[str], T], paths: Sequence[str]) -> list[T]:
    return list(map(work, paths))


def _unchanged(known: Mapping[str, MemoEntry], path: str) -> str:
    """The path if the file is as it was, else ""."""
    try:
        return path if known[path][0] == _stamp(path) else ""
    except (OSError, ValueError):
        return ""


def _stamp(path: str) -> Stamp:
    status = os.stat(path)  # noqa: PTH116 (a second reading does little else)
    return status.st_size, status.st_mtime_ns, status.st_mode


def _read(path: str) -> MemoEntry | Unreadable:
    try:
        stamp = _stamp(path)
        with open_file(path) as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()[:DIGEST_LENGTH]
            return stamp, IndexedImage(digest, *header_size(handle))
    except BadImageError as error:
        return Unreadable(str(error))
    except (OSError, ValueError) as error:
        return _unreadable(Path(path), error)


def _unreadable(path: Path, error: OSError | ValueError) -> Unreadable:
    explained = explain(path, error)
    if isinstance(explained, BadImageError):
        return Unreadable(str(explained))
    raise explained from error


def header_size(handle: Readable) -> tuple[int, int]:
    """Upright width and height; (0, 0) for a header that is no image's: decoding will tell why."""
    handle.seek(0)
    try:
        with open_image(handle) as image:
            return upright_size(image)
    except Exception:  # Pillow raises nearly anything on a damaged header
        return 0, 0


def _entry(answer: MemoEntry | Unreadable) -> IndexedImage | Unreadable:
    return answer[1] if isinstance(answer, tuple) else answer
