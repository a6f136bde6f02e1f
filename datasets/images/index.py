"""Read the digest and size of image files, by threads or processes, and remember them."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TypeVar

from ...errors import BadImageError
from ...machine import cores
from ...workers import Workers
from .headers import upright_size_of
from .image_files import Readable, explain, open_file, open_image, upright_size
from .memo import IndexedImage, MemoEntry, Stamp, load_memo, save_memo

DIGEST_LENGTH = 32
READ_WHOLE = 8 << 20
"""A file of at most so many bytes is read at once, a larger one piece by piece."""
WORKERS = 16
_CHUNK = 256
QUICK_STAT, QUICK_READ = 50e-6, 300e-6
"""Threads look at files, or read them, unless a file takes fewer seconds than this."""
WORTH_PROCESSES = 0.25
"""Files are read by processes, which start in 0.1 s, if this thread would take more seconds."""
T = TypeVar("T")


@dataclass(frozen=True)
class Unreadable:
    """An Unreadable stands for an image file whose bytes could not be read.

    reason: why, as a phrase for the list of bad images, such as "file is missing".
    """

    reason: str


def read_index(
    paths: Sequence[str | Path], memo: Path | None = None, workers: int = WORKERS
) -> list[IndexedImage | Unreadable]:
    """Return the digest and size of each file, in the order of `paths`.

    paths: of image files or locators; one that occurs twice is read once.
    memo: the file in which answers are kept: a file with the path, size, modification time and
        rights it had is then not opened again. None keeps nothing.
    workers: the number of threads that read files.

    A file that cannot be read gives an `Unreadable` in its place. Raises A2pipeError only if the
    machine is at fault, never for a single bad file.
    """
    known = load_memo(memo)
    unique = list(dict.fromkeys(map(str, paths)))
    old = [path for path in unique if path in known]

    # Files are looked at before any is read, so that a second run is nothing but `stat` calls.
    with ThreadPoolExecutor(workers) as pool:
        same = set(_in_chunks(partial(_unchanged, known), old, pool, QUICK_STAT, _CHUNK))
        changed = [path for path in unique if path not in same]
        read = dict(zip(changed, _read_all(changed, pool), strict=True))

    # What could not be read is not remembered: it may be there next time.
    new = {path: answer for path, answer in read.items() if isinstance(answer, tuple)}
    if memo is not None and new:
        save_memo(memo, known | new)
    answers: dict[str, MemoEntry | Unreadable] = {**known, **read}
    return [_entry(answers[str(path)]) for path in paths]


def _in_chunks(
    work: Callable[[str], T], paths: list[str], pool: ThreadPoolExecutor, quick: float, size: int
) -> Iterator[T]:
    """Yield what `work` gives for every path, in order.

    quick: if a file of the first chunk takes fewer seconds than this, on average, the rest is done
        by the calling thread, else by the pool. size: how many files are a chunk.
    """
    # Small files on a local disk take so little that sixteen threads only waited for each other.
    chunks = [paths[start : start + size] for start in range(0, len(paths), size)]
    start = time.perf_counter()
    first = [work(path) for path in paths[:size]]
    run = map if time.perf_counter() - start < len(first) * quick else pool.map
    return chain(first, chain.from_iterable(run(lambda c: list(map(work, c)), chunks[1:])))


def _read_all(paths: list[str], pool: ThreadPoolExecutor) -> list[MemoEntry | Unreadable]:
    """Read files in order, and by processes if they take long."""
    start = time.perf_counter()
    first = [_read(path) for path in paths[:_CHUNK]]
    chunks = [paths[start : start + _CHUNK] for start in range(_CHUNK, len(paths), _CHUNK)]
    if (time.perf_counter() - start) * len(chunks) < WORTH_PROCESSES:
        return [*first, *map(_read, paths[_CHUNK:])]
    # Threads hand the interpreter's lock to each other several times a file: on 2 free cores two
    # took twice as long as one for 8,192 files of 43 kB, and an import of PyTorch in another thread
    # made it worse. A core is left to that import.
    with Workers(min(max(1, cores() - 1), len(chunks), WORKERS)) as workers:
        return [*first, *chain.from_iterable(pool.map(partial(workers.call, read_part), chunks))]


def read_part(paths: list[str]) -> list[MemoEntry | Unreadable]:
    """Read files in order, by threads if they lie on a slow disk; this is run by processes."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(_in_chunks(_read, paths, pool, QUICK_READ, size=16))


def _unchanged(known: Mapping[str, MemoEntry], path: str) -> str:
    """Return the path if the file is as the memo has it, else ""."""
    try:
        return path if known[path][0] == _stamp(path) else ""
    except (OSError, ValueError):
        return ""


def _stamp(path: str) -> Stamp:
    status = os.stat(path)  # noqa: PTH116 (a second reading does little else)
    return status.st_size, status.st_mtime_ns, status.st_mode


def _read(path: str) -> MemoEntry | Unreadable:
    try:
        try:
            # The stamp is taken first: a file that is written to meanwhile has a newer one
            # afterwards, and is read again next time, not remembered with half its bytes.
            stamp = _stamp(path)
            with open_file(path) as handle:
                return stamp, _index(handle, stamp[0])
        except (OSError, ValueError) as error:
            raise explain(path, error) from error
    except BadImageError as error:
        return Unreadable(str(error))


def _index(handle: Readable, size: int) -> IndexedImage:
    """Return digest and size of an image whose file has about `size` bytes."""
    if size <= READ_WHOLE:
        return index_bytes(handle.read())
    digest = hashlib.file_digest(handle, "sha256").hexdigest()[:DIGEST_LENGTH]
    return IndexedImage(digest, *header_size(handle))


def index_bytes(content: bytes) -> IndexedImage:
    """Return digest and size of an image, given the bytes of its file."""
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
    # Pillow holds the interpreter's lock and takes 20 to 200 us for what takes 4 us here.
    return IndexedImage(digest, *(upright_size_of(content) or header_size(BytesIO(content))))


def header_size(handle: Readable) -> tuple[int, int]:
    """Return width and height in pixels of the upright image, from its header.

    Returns (0, 0) if the header is no image's: decoding tells the user why when it gets there.
    """
    handle.seek(0)
    try:
        with open_image(handle) as image:
            return upright_size(image)
    except Exception:  # Pillow raises nearly anything on a damaged header
        return 0, 0


def _entry(answer: MemoEntry | Unreadable) -> IndexedImage | Unreadable:
    return answer[1] if isinstance(answer, tuple) else answer
