"""`spec.json` says what an artifact is, in words.

It is written last, so that a folder without it is half-made and a folder with it is complete but
for its shards.
"""

import getpass
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import DamagedError, NotCachedError
from ..files import FORMAT, read_checked_json, write_checked_json
from ..machine import host_name, versions
from .fingerprint import canonical, describe, fingerprint
from .layout import SPEC, ArrayField, Backend, Cut, Layout, field_from_json
from .ledger import now

_PACKAGES = ("a2pipe", "h5py", "numpy", "pillow", "timm", "torch", "zarr")


@dataclass(frozen=True)
class Header:
    """A Header is the content of `spec.json`.

    format: number of the format. stage, version: of the code that computes the rows.
    fingerprint: the spec's address. rows_id: the name of the row folder.
    rows, shard_size, backend: how many rows there are, and how they are cut and stored.
    fields: the arrays of a row, without the status.
    address: the part of the spec that the fingerprint is the digest of. spec: all of it, labels
    and defaults included. made: versions, host, user, time and the caller's notes.
    """

    format: int
    stage: str
    version: int
    fingerprint: str
    rows_id: str
    rows: int
    shard_size: int
    backend: Backend
    fields: tuple[ArrayField, ...]
    address: dict[str, Any]
    spec: dict[str, Any]
    made: dict[str, Any]

    @property
    def cut(self) -> Cut:
        """Return how the rows are cut into shards."""
        return Cut(self.rows, self.shard_size)


def header_of(
    spec: Any, fields: Sequence[ArrayField], layout: Layout, notes: Mapping[str, Any]
) -> Header:
    """Return the header of a spec's artifact over a layout, made here and now.

    notes: what else is kept in it for people.
    """
    return Header(
        FORMAT,
        spec.stage,
        spec.version,
        fingerprint(spec),
        layout.rows_id,
        layout.cut.rows,
        layout.shard_size,
        layout.backend,
        tuple(fields),
        canonical(spec),
        describe(spec),
        {**provenance(), **notes},
    )


def write_header(folder: Path, header: Header) -> None:
    """Put `spec.json` in place; from now on the folder is an artifact.

    Raises A2pipeError if the disk is full or the cache may not be written.
    """
    document = {**asdict(header), "fields": [field.to_json() for field in header.fields]}
    write_checked_json(folder / SPEC, document)


def read_header(folder: Path) -> Header:
    """Return the header of an artifact's folder.

    Raises NotCachedError if there is none, DamagedError if it is cut short or altered, and
    A2pipeError if a newer version wrote it.
    """
    path = folder / SPEC
    try:
        document = read_checked_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotCachedError(f"{folder} holds no artifact: there is no {SPEC} in it.") from None
    if document is None:
        raise DamagedError(f"{path} is torn or altered: run `a2pipe cache verify --repair`.")
    fields = tuple(field_from_json(field) for field in document.pop("fields"))
    return Header(**document, fields=fields)


def provenance() -> dict[str, Any]:
    """Return who makes something here and now: versions, host, user and time."""
    return {**versions(_PACKAGES), "host": host_name(), "user": _user(), "time": now()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container the number may have no name
        return str(os.getuid())
