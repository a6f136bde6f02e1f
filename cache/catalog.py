"""The cache: artifacts by spec and images under one root folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import A2pipeError, DamagedError, NotCachedError
from ..files import make_folder
from .artifact import Artifact
from .fingerprint import fingerprint
from .gather import KEPT_BYTES, Gathered
from .header import header_of, write_header
from .images import write_images
from .layout import (
    DONE,
    EXPERIMENTS,
    FINGERPRINT_NAME,
    ROWS_NAME,
    STATUS_FIELD,
    ArrayField,
    Backend,
    Layout,
    artifact_folder,
    layout_of,
)
from .ledger import listed
from .stores.protocol import make_store


def default_root() -> Path:
    """`$A2PIPE_CACHE`, else the platform's folder for a user's caches."""
    import platformdirs

    named = os.environ.get("A2PIPE_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("a2pipe"))


class Cache:
    """All artifacts under `root`. Opening one writes nothing, so a read-only cache can be read."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = (Path(root).expanduser() if root is not None else default_root()).absolute()

    def __repr__(self) -> str:
        return f"Cache({str(self.root)!r})"

    def folder(
        self, spec: Any, images: Sequence[str], shard_size: int = 1024, backend: Backend = "zarr"
    ) -> Path:
        """Where the spec's rows of these images lie, or would lie."""
        return self._folder(spec, layout_of(tuple(images), shard_size, backend))

    def _folder(self, spec: Any, layout: Layout) -> Path:
        return artifact_folder(self.root, spec.stage, fingerprint(spec), layout.rows_id)

    def find(
        self, spec: Any, images: Sequence[str], shard_size: int = 1024, backend: Backend = "zarr"
    ) -> Artifact | None:
        """The artifact if it was created, complete or not; DamagedError if it is altered."""
        layout = layout_of(tuple(images), shard_size, backend)
        try:
            return Artifact(self._folder(spec, layout), layout)
        except NotCachedError:
            return None

    def create(
        self,
        spec: Any,
        fields: Sequence[ArrayField],
        images: Sequence[str],
        shard_size: int = 1024,
        backend: Backend = "zarr",
        notes: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """The artifact, made if it is not there; many processes may do so at once.

        fields: the arrays of a row, status not among them. notes: kept in `spec.json` for people
        (device and the like). A half-made folder, or one with an altered `spec.json`, is made anew
        around the shards it has. A2pipeError if the folder may not be written, if the disk is full,
        or if the same address was stored with other fields.
        """
        layout = layout_of(tuple(images), shard_size, backend)
        folder = self._folder(spec, layout)
        with suppress(NotCachedError, DamagedError):
            return _with_fields(Artifact(folder, layout), fields)
        stored = (*fields, STATUS_FIELD)
        if len({field.name for field in stored}) != len(stored):
            raise ValueError("the names of the fields are unique, and `status` is taken")
        make_folder(folder / DONE)
        write_images(folder, layout.images)
        make_store(backend, folder, stored, layout.cut).create()
        write_header(folder, header_of(spec, fields, layout, notes or {}))
        return Artifact(folder, layout)

    def folders(self, stage: str | None = None, prefix: str = "") -> list[Path]:
        """Every row folder, half-made ones included, by stage and beginning of the fingerprint."""
        return sorted(_row_folders(self.root, stage, prefix))

    def artifacts(self, stage: str | None = None, prefix: str = "") -> list[Artifact]:
        """Every artifact that can be opened; `verify` names those that cannot."""
        found = []
        for folder in self.folders(stage, prefix):
            with suppress(A2pipeError):
                found.append(Artifact(folder))
        return found

    def gather(
        self,
        fingerprint: str,
        images: Sequence[str],
        exclude: Path | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> Gathered:
        """Which of `images` have a row in another row folder of this fingerprint than `exclude`.

        kept_bytes: how much of what is read from there may stay in memory.
        """
        siblings = []
        here = exclude.absolute() if exclude is not None else None
        for artifact in self.artifacts(prefix=fingerprint):
            with suppress(A2pipeError):
                if artifact.folder != here and artifact.layout.images:
                    siblings.append(artifact)
        return Gathered(siblings, images, kept_bytes)


def stage_folders(root: Path) -> list[Path]:
    """The folders of stages under a cache root; A2pipeError if the root cannot be listed."""
    return [
        e for e in sorted(listed(root)) if e.is_dir() and e.name != EXPERIMENTS and e.name[0] != "."
    ]


def _row_folders(root: Path, stage: str | None, prefix: str) -> Iterator[Path]:
    for stage_folder in stage_folders(root):
        if stage is not None and stage_folder.name != stage:
            continue
        for named in stage_folder.glob(f"{prefix}*"):
            if FINGERPRINT_NAME.match(named.name):
                yield from (rows for rows in listed(named) if ROWS_NAME.match(rows.name))


def _with_fields(artifact: Artifact, fields: Sequence[ArrayField]) -> Artifact:
    if [(f.name, f.shape, f.dtype) for f in fields] != [
        (f.name, f.shape, f.dtype) for f in artifact.fields
    ]:
        raise A2pipeError(
            f"{artifact.folder} was stored with other arrays than these: the version of stage "
            f"{artifact.stage!r} has to be raised when its arrays change."
        )
    return artifact
