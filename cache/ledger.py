"""Markers are the only thing that says a shard is done.

A file's presence proves nothing: a chunk may be there whose shard's other chunks are not. So each
shard has a small document that names its files with their checksums, and that is written last.
"""

import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import A2pipeError
from ..files import (
    FileSum,
    delete_file,
    make_folder,
    parse_checked_json,
    read_bytes,
    write_checked_json,
)
from ..machine import host_name

_NAME = re.compile(r"^(\d{6,})\.json$")


@dataclass(frozen=True)
class BadRow:
    """A BadRow is a row without a result.

    row: its index in the artifact. image: the digest of its image. status: UNREADABLE or
    NOT_FINITE. reason: why, in words.
    """

    row: int
    image: str
    status: int
    reason: str


@dataclass(frozen=True)
class Marker:
    """A Marker tells what is known of one committed shard.

    shard: its number. files: for each of its files, by its path relative to the artifact's folder,
    the size and SHA-256 with which it was written. seconds: how long it took to compute. host: the
    machine that wrote it. written: when (ISO 8601, UTC). computed: how many of its rows were
    computed then, rather than taken over from another row folder. bad: its rows without a result.
    forward: how many images a pass of the model had, if memory did not suffice for as many as its
    table says (`models.forward_shape`), which changes rows by rounding; 0 where it did.
    """

    shard: int
    files: dict[str, FileSum]
    seconds: float
    host: str
    written: str
    computed: int
    bad: tuple[BadRow, ...] = ()
    forward: int = 0


# The same bytes give the same object: a command asks several times which of thousands of shards are
# done, and parsing takes longer than reading.
@lru_cache(maxsize=16_384)
def marker_from_json(data: bytes) -> Marker | None:
    """Return the marker in the bytes of its file; None if it is cut short, altered or no marker."""
    document = parse_checked_json(data)
    if document is None:
        return None
    with suppress(KeyError, TypeError, AttributeError):
        return _marker(document)
    return None


def _marker(document: dict[str, Any]) -> Marker:
    files = {name: FileSum(**total) for name, total in document.pop("files").items()}
    bad = tuple(BadRow(**row) for row in document.pop("bad"))
    return Marker(**document, files=files, bad=bad)


def now() -> str:
    """Return the time in UTC as ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_marker(
    shard: int,
    files: dict[str, FileSum],
    seconds: float,
    computed: int,
    bad: tuple[BadRow, ...],
    forward: int = 0,
) -> Marker:
    """Return a marker of this machine and moment; for the rest see `Marker`."""
    return Marker(shard, files, float(seconds), host_name(), now(), int(computed), bad, forward)


@dataclass(frozen=True)
class Ledger:
    """A Ledger reads and writes the markers of an artifact: `done/000017.json` is shard 17's."""

    folder: Path

    def path(self, shard: int) -> Path:
        """Return where the marker of a shard lies, or would lie."""
        return self.folder / f"{shard:06d}.json"

    def written(self) -> list[int]:
        """Return the shards that have a marker's file, in order, whether or not it is readable."""
        matches = (_NAME.match(entry.name) for entry in entries(self.folder))
        return sorted(int(match[1]) for match in matches if match)

    def markers(self) -> dict[int, Marker]:
        """Return all valid markers by shard."""
        found = {shard: self.read(shard) for shard in self.written()}
        return {shard: marker for shard, marker in found.items() if marker is not None}

    def read(self, shard: int) -> Marker | None:
        """Return a shard's marker; None if there is none, or one that is cut short or altered.

        Raises A2pipeError if it cannot be read.
        """
        try:
            marker = marker_from_json(read_bytes(self.path(shard)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        # A marker that was copied to another shard's name has a fitting checksum all the same.
        return marker if marker is not None and marker.shard == shard else None

    def write(self, marker: Marker) -> None:
        """Commit a shard; from now on it counts.

        Its files have to be flushed to disk before. Raises A2pipeError if the disk is full or the
        cache may not be written.
        """
        make_folder(self.folder)
        document = asdict(marker)
        # Versions that do not know the field take a marker with it for none.
        if not marker.forward:
            del document["forward"]
        write_checked_json(self.path(marker.shard), document)

    def discard(self, shard: int) -> None:
        """Drop a shard's marker, if there is one, so that the shard counts as not done.

        Raises A2pipeError if the cache may not be written.
        """
        # Looked for first: where nothing is to be dropped, a cache that may only be read will do.
        if self.path(shard).exists():
            delete_file(self.path(shard))


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder, [] where there is none; raise A2pipeError if it is unreadable."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise A2pipeError(f"{folder} could not be listed ({error.strerror}).") from error
