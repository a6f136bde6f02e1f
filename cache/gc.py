"""Free what no named experiment refers to.

Listing and deleting are two calls, so that a person sees what would go before it goes.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import A2pipeError, DamagedError, NotCachedError
from ..files import explained, fsync_dir, is_temporary, remove, temporary
from .artifact import Artifact
from .catalog import Cache, stage_folders
from .header import read_header
from .layout import EXPERIMENTS, FINGERPRINT_NAME
from .references import is_referred, referred
from .verify import record_paths

STRAY_AFTER = 3600.0
"""After so many seconds without a change what is incomplete is taken for left behind."""


@dataclass(frozen=True)
class Candidate:
    """A Candidate is something that may be deleted.

    path: a row folder, a record's document, or a file that was left behind. bytes: what deleting it
    frees. why: why it may go, in words.
    """

    path: Path
    bytes: int
    why: str


def gc_candidates(cache: Cache) -> list[Candidate]:
    """Return what may go, and delete nothing.

    These are row folders and records that no named experiment refers to, and half-made folders and
    temporary files older than an hour. A folder that lacks shards and changed within the hour is
    taken for one that is being filled. Folders of a newer version stay.

    Raises A2pipeError if the note of a named experiment cannot be read.
    """
    uses = referred(cache.root)
    return [*_row_folders(cache, uses), *_records(cache, uses), *_strays(cache.root, uses)]


def gc(cache: Cache, apply: bool = False) -> list[Candidate]:
    """Return what may go and, with `apply`, delete it; see `gc_candidates` and `delete`."""
    candidates = gc_candidates(cache)
    return delete(cache, candidates) if apply else candidates


def delete(cache: Cache, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Delete those of `candidates` that nothing refers to by now, and return them.

    Raises A2pipeError if the cache may not be written.
    """
    gone = []
    for candidate in candidates:
        path = candidate.path.relative_to(cache.root)
        # Read anew for each: an experiment that began since they were listed has noted what it
        # uses, and would else lose it while it runs.
        if is_temporary(path.name) or not is_referred(path, referred(cache.root)):
            _delete(candidate.path)
            gone.append(candidate)
    return gone


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(_size(file) for file in files)


def _row_folders(cache: Cache, uses: set[str]) -> Iterator[Candidate]:
    for folder in cache.folders():
        if is_referred(folder.relative_to(cache.root), uses):
            continue
        why = _why(folder)
        if why is not None:
            yield Candidate(folder, size_of(folder), why)


def _why(folder: Path) -> str | None:
    try:
        read_header(folder)
    except NotCachedError:
        return "half-made more than an hour ago" if _is_old(folder) else None
    except DamagedError:
        return "its spec.json is damaged, and no named experiment refers to it"
    except A2pipeError:  # of a newer version, which may know what it is for
        return None
    if not _is_old(folder) and not Artifact(folder).complete:
        return None
    return "no named experiment refers to it"


def _records(cache: Cache, uses: set[str]) -> Iterator[Candidate]:
    for path in record_paths(cache.root):
        if not is_referred(path.relative_to(cache.root), uses):
            size = _size(path) + _size(path.with_suffix(".npz"))
            yield Candidate(path, size, "no named experiment refers to it")


def _strays(root: Path, uses: set[str]) -> Iterator[Candidate]:
    for folder in (*stage_folders(root), root / EXPERIMENTS):
        for path in _temporaries(folder):
            if _is_old(path):
                yield Candidate(path, size_of(path), "temporary, left by an interrupted writer")
        for path in folder.glob("*.npz"):
            alone = FINGERPRINT_NAME.match(path.stem) and not path.with_suffix(".json").exists()
            if alone and _is_old(path) and not is_referred(path.relative_to(root), uses):
                yield Candidate(path, _size(path), "arrays of a record that was never committed")


def _temporaries(folder: Path) -> Iterator[Path]:
    """Yield temporary files and folders below `folder`, but not what lies in such a folder."""
    with suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            if is_temporary(path.name):
                yield path
            elif path.is_dir() and not path.is_symlink():
                yield from _temporaries(path)


def _is_old(path: Path) -> bool:
    """Tell whether nothing at or below `path` changed within the last hour."""
    paths = [path, *path.rglob("*")] if path.is_dir() else [path]
    return all(time.time() - _changed(part) > STRAY_AFTER for part in paths)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # renamed or deleted meanwhile: somebody is at work here
        return time.time()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


def _delete(path: Path) -> None:
    with explained(path):
        if path.is_dir():
            # Renamed first, it is gone at once: half deleted, it could be taken for an artifact.
            remove(path if is_temporary(path.name) else path.rename(temporary(path)))
        else:
            # The document before its arrays, as it is what makes a record of them.
            path.unlink(missing_ok=True)
            if FINGERPRINT_NAME.match(path.stem):
                path.with_suffix(".npz").unlink(missing_ok=True)
        fsync_dir(path.parent)
    with suppress(OSError):  # as long as it holds other rows of this fingerprint
        if FINGERPRINT_NAME.match(path.parent.name):
            path.parent.rmdir()
