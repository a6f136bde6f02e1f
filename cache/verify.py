"""Check what is stored, and drop what is damaged so that it is computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import A2pipeError, DamagedError, NotCachedError
from ..files import explained, fsync_dir, sha256_file
from .artifact import Artifact
from .catalog import Cache, stage_folders
from .layout import FINGERPRINT_NAME, SPEC
from .ledger import Marker
from .records import read_record


@dataclass(frozen=True)
class Problem:
    """folder: the artifact, or a record's document; shard: None for the whole; what: in words."""

    folder: Path
    shard: int | None
    what: str


_Finding = tuple[Problem, Callable[[], object]]


def verify(cache: Cache, deep: bool = False, repair: bool = False) -> list[Problem]:
    """Everything in the cache that is not as its markers say.

    Shallow: documents, markers, presence and size of files. deep: also the SHA-256 of every file.
    repair: damaged shards and records are dropped (to be computed again), views and headers are
    made anew; whatever is not damaged stays. Shards still to be computed are no problem.
    """
    findings = [found for folder in cache.folders() for found in _in_folder(folder, deep)]
    findings += [found for path in record_paths(cache.root) for found in _in_record(path)]
    if repair:
        for _, mend in findings:
            mend()
    return [problem for problem, _ in findings]


def record_paths(root: Path) -> list[Path]:
    """The documents of all records under a cache root."""
    found = [path for stage in stage_folders(root) for path in sorted(stage.glob("*.json"))]
    return [path for path in found if FINGERPRINT_NAME.match(path.stem)]


def _in_folder(folder: Path, deep: bool) -> Iterator[_Finding]:
    try:
        artifact = Artifact(folder)
    except NotCachedError:
        return
    except DamagedError as error:
        yield Problem(folder, None, str(error)), lambda: _drop(folder / SPEC)
        return
    except A2pipeError as error:
        yield Problem(folder, None, str(error)), lambda: None
        return
    yield from _in_whole(artifact)
    try:
        yield from _in_shards(artifact, deep)
    except A2pipeError as error:
        yield Problem(folder, None, str(error)), lambda: None


def _in_shards(artifact: Artifact, deep: bool) -> Iterator[_Finding]:
    for shard in artifact.ledger.written():
        what = _shard_fault(artifact, shard, deep)
        if what is not None:
            problem = Problem(artifact.folder, shard, what)
            yield problem, lambda shard=shard: artifact.discard(shard)  # type: ignore[misc]


def _in_whole(artifact: Artifact) -> Iterator[_Finding]:
    try:
        _ = artifact.layout
    except DamagedError as error:
        yield Problem(artifact.folder, None, str(error)), lambda: _drop(artifact.folder / SPEC)
    faults = artifact.store.faults()
    if faults:
        yield Problem(artifact.folder, None, "; ".join(faults)), artifact.store.create


def _shard_fault(artifact: Artifact, shard: int, deep: bool) -> str | None:
    if shard >= artifact.cut.shards:
        return "there is no such shard"
    marker = artifact.ledger.read(shard)
    if marker is None:
        return "its marker is torn or altered"
    if set(marker.files) != set(artifact.store.files(shard)):
        return "its marker names other files than the shard's"
    return next(_file_faults(artifact.folder, marker, deep), None)


def _file_faults(folder: Path, marker: Marker, deep: bool) -> Iterator[str]:
    for name, total in marker.files.items():
        try:
            size = (folder / name).stat().st_size
            if size != total.bytes:
                yield f"{name} has {size} bytes instead of {total.bytes}"
            elif deep and sha256_file(folder / name) != total:
                yield f"{name} does not match its checksum"
        except OSError as error:
            yield f"{name} cannot be read ({error.strerror})"


def _in_record(path: Path) -> Iterator[_Finding]:
    try:
        read_record(path)
    except DamagedError as error:
        yield Problem(path, None, str(error)), lambda: _drop(path)
    except A2pipeError as error:
        yield Problem(path, None, str(error)), lambda: None


def _drop(path: Path) -> None:
    with explained(path):
        path.unlink(missing_ok=True)
        fsync_dir(path.parent)
