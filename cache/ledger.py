"""Markers: the only thing that says a shard is done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import A2pipeError
from ..files import (
    FileSum,
    atomic_write_bytes,
    checked_json,
    explained,
    fsync_dir,
    make_folder,
    parse_checked_json,
)
from ..machine import host_name

__all__ = ["BadRow", "FileSum", "Ledger", "Marker", "now"]

_NAME = re.compile(r"^(\d{6,})\.json$")


@dataclass(frozen=True)
class BadRow:
    """A row without a result: its index in the artifact, image digest, status (2, 3) and why."""

    row: int
    image: str
    status: int
    reason: str


@dataclass(frozen=True)
class Marker:
    """What one committed shard is: checksums of its files, cost, origin and bad rows.

    files: path relative to the artifact's folder -> size and SHA-256 as it lies on disk.
    seconds: time it took to compute. host, written: where and when (ISO 8601, UTC).
    computed: rows computed then, rather than taken over from another row folder.
    """

    shard: int
    files: dict[str, FileSum]
    seconds: float
    host: str
    written: str
    computed: int
    bad: tuple[BadRow, ...] = ()

    def to_json(self) -> bytes:
        return checked_json(asdict(self))


@lru_cache(maxsize=16_384)
def marker_from_json(data: bytes) -> Marker | None:
    """The marker in `data`; None if it is torn, altered or incomplete. The same bytes give the same
    object, as a command asks several times which of thousands of shards are done."""
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
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_marker(
    shard: int, files: dict[str, FileSum], seconds: float, computed: int, bad: tuple[BadRow, ...]
) -> Marker:
    """A marker of this machine and moment."""
    return Marker(shard, files, float(seconds), host_name(), now(), int(computed), bad)


@dataclass(frozen=True)
class Ledger:
    """The markers of one artifact, in its folder `done/`."""

    folder: Path

    def path(self, shard: int) -> Path:
        return self.folder / f"{shard:06d}.json"

    def written(self) -> Iterator[int]:
        """Shards that have a marker file, in order, whether or not it is readable."""
        matches = (_NAME.match(entry.name) for entry in listed(self.folder))
        yield from sorted(int(match[1]) for match in matches if match)

    def done(self) -> set[int]:
        """Shards with a valid marker."""
        return set(self.markers())

    def markers(self) -> dict[int, Marker]:
        """All valid markers by shard."""
        found = {shard: self.read(shard) for shard in self.written()}
        return {shard: marker for shard, marker in found.items() if marker is not None}

    def read(self, shard: int) -> Marker | None:
        """A shard's marker; None if there is none, or a torn or altered one."""
        path = self.path(shard)
        try:
            marker = marker_from_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise A2pipeError(
                f"{path} could not be read ({error.strerror}): check the disk."
            ) from error
        return marker if marker is not None and marker.shard == shard else None

    def write(self, marker: Marker) -> None:
        """Commit a shard: from now on it counts. Its files have to be on disk already."""
        make_folder(self.folder)
        atomic_write_bytes(self.path(marker.shard), marker.to_json())

    def discard(self, shard: int) -> None:
        """Drop a shard's marker, if there is one: the shard counts as not done."""
        path = self.path(shard)
        if path.exists():
            with explained(path):
                path.unlink(missing_ok=True)
                fsync_dir(self.folder)


def listed(folder: Path) -> list[Path]:
    """What is in a folder; nothing where there is none; A2pipeError if it may not be listed."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise A2pipeError(f"{folder} could not be listed ({error.strerror}).") from error
