"""Check what is stored, and drop what is damaged so that it is computed again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import A2pipeError, DamagedError, NotCachedError
from ..files import delete_file, sha256_file
from .artifact import Artifact
from .catalog import Cache, stage_folders
from .layout import FINGERPRINT_NAME, SPEC
from .ledger import Marker
from .records import read_record


@dataclass(frozen=True)
class Problem:
    """A Problem is something that is not as it was written.

    folder: the artifact's folder, or a record's document. shard: the number of the shard; None if
    the whole is concerned. what: what is wrong, in words.
    """

    folder: Path
    shard: int | None
    what: str


_Finding = tuple[Problem, Callable[[], object]]
"""A finding is a problem, and what mends it."""


def verify(cache: Cache, deep: bool = False, repair: bool = False) -> list[Problem]:
    """Return everything in the cache that is not as its markers and checksums say.

    Documents, markers, and the presence and size of files are looked at. Shards still to be
    computed are no problem.

    deep: also read every file and compare its SHA-256. repair: drop damaged shards and records, so
    that they are computed again, and make views and headers anew; what is not damaged stays.

    Raises A2pipeError if a repair is not permitted.
    """
    findings = [found for folder in cache.folders() for found in _in_folder(folder, deep)]
    findings += [found for path in record_paths(cache.root) for found in _in_record(path)]
    if repair:
        for _, mend in findings:
            mend()
    return [problem for problem, _ in findings]


def record_paths(root: Path) -> list[Path]:
    """Return the paths of the documents of all records under a cache root."""
    found = [path for stage in stage_folders(root) for path in sorted(stage.glob("*.json"))]
    return [path for path in found if FINGERPRINT_NAME.match(path.stem)]


def _in_folder(folder: Path, deep: bool) -> Iterator[_Finding]:
    try:
        artifact = Artifact(folder)
        yield from _in_documents(artifact)
        yield from _in_shards(artifact, deep)
    except NotCachedError:
        return  # half-made: `create` goes on with it, `gc` removes it
    except A2pipeError as error:
        # Without spec.json the folder is half-made, and the next run makes it anew around its
        # shards: they are told by their address and their markers.
        yield _refused(folder, error, folder / SPEC)


def _refused(folder: Path, error: A2pipeError, document: Path) -> _Finding:
    """Tell of an error; a damaged document is to be dropped, one of a newer version to be kept."""
    problem = Problem(folder, None, str(error))
    if isinstance(error, DamagedError):
        return problem, partial(delete_file, document)
    return problem, lambda: None


def _in_documents(artifact: Artifact) -> Iterator[_Finding]:
    try:
        _ = artifact.layout
    except DamagedError as error:
        yield _refused(artifact.folder, error, artifact.folder / SPEC)
    faults = artifact.store.faults()
    if faults:
        yield Problem(artifact.folder, None, "; ".join(faults)), artifact.store.create


def _in_shards(artifact: Artifact, deep: bool) -> Iterator[_Finding]:
    for shard in artifact.ledger.written():
        what = _shard_fault(artifact, shard, deep)
        if what is not None:
            yield Problem(artifact.folder, shard, what), partial(artifact.discard, shard)


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
    except A2pipeError as error:
        yield _refused(path, error, path)
