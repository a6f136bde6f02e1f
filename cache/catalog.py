"""The cache holds artifacts, by spec and images, under one root folder."""

import os
from collections.abc import Mapping, Sequence
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
    layout_of,
)
from .ledger import entries
from .stores.protocol import make_store


def default_root() -> Path:
    """Return `$A2PIPE_CACHE`, else the platform's folder for a user's caches."""
    import platformdirs

    named = os.environ.get("A2PIPE_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("a2pipe"))


class Cache:
    """A Cache finds, makes and lists the artifacts under one folder.

    root: the folder; `default_root` if None. Opening a cache writes nothing and needs no folder to
    be there, so that a cache that may only be read can be used.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = (Path(root).expanduser() if root is not None else default_root()).absolute()

    def __repr__(self) -> str:
        return f"Cache({str(self.root)!r})"

    def folder(
        self, spec: Any, images: Sequence[str], shard_size: int = 1024, backend: Backend = "zarr"
    ) -> Path:
        """Return where the spec's rows of these images (digests, in order) lie, or would lie."""
        return self._folder(spec, layout_of(tuple(images), shard_size, backend))

    def _folder(self, spec: Any, layout: Layout) -> Path:
        return self.root / str(spec.stage) / fingerprint(spec) / layout.rows_id

    def find(
        self, spec: Any, images: Sequence[str], shard_size: int = 1024, backend: Backend = "zarr"
    ) -> Artifact | None:
        """Return the artifact of these rows if it was created, complete or not, else None.

        Raises DamagedError if its `spec.json` is altered.
        """
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
        """Return the artifact, which is made if it is not there; many processes may do so at once.

        fields: the arrays of a row, without the status. images: the digests of the rows, in order.
        notes: what is kept in `spec.json` for people, such as the device. A half-made folder, or
        one with an altered `spec.json`, is made anew around the shards it has.

        Raises A2pipeError if the folder may not be written, if the disk is full, or if the same
        address was stored with other fields.
        """
        layout = layout_of(tuple(images), shard_size, backend)
        folder = self._folder(spec, layout)
        with suppress(NotCachedError, DamagedError):
            return _with_fields(Artifact(folder, layout), fields)
        stored = (*fields, STATUS_FIELD)
        if len({field.name for field in stored}) != len(stored):
            raise ValueError("the names of the fields are unique, and `status` is taken")
        # spec.json goes last: a folder that has it has everything that a reader needs. Processes
        # that do this at the same time write the same files, each whole, over one another.
        make_folder(folder / DONE)
        write_images(folder, layout.images)
        make_store(backend, folder, stored, layout.cut).create()
        write_header(folder, header_of(spec, fields, layout, notes or {}))
        return Artifact(folder, layout)

    def folders(self, stage: str | None = None, prefix: str = "") -> list[Path]:
        """Return every row folder, half-made ones included, sorted.

        stage: of this stage only. prefix: what the fingerprint has to begin with.
        """
        named = [
            folder
            for of_stage in stage_folders(self.root)
            if stage in (None, of_stage.name)
            for folder in of_stage.glob(f"{prefix}*")
            if FINGERPRINT_NAME.match(folder.name)
        ]
        return sorted(
            rows for each in named for rows in entries(each) if ROWS_NAME.match(rows.name)
        )

    def artifacts(self, stage: str | None = None, prefix: str = "") -> list[Artifact]:
        """Return every artifact that can be opened, as `folders`; `verify` names the others."""
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
        """Return which of `images` have a row in other row folders, and where.

        fingerprint: of the spec whose row folders are searched. images: digests. exclude: a row
        folder that is left out, as it is the one to be filled. kept_bytes: how much of what is read
        from the others may stay in memory.
        """
        siblings = []
        here = exclude.absolute() if exclude is not None else None
        for artifact in self.artifacts(prefix=fingerprint):
            # Reading its layout finds out whether its rows can be told apart; if not, it is passed
            # over, as what it holds can be computed again.
            with suppress(A2pipeError):
                if artifact.folder != here and artifact.layout.images:
                    siblings.append(artifact)
        return Gathered(siblings, images, kept_bytes)


def stage_folders(root: Path) -> list[Path]:
    """Return the folders of stages under a cache root; raise A2pipeError if it is unreadable."""
    names = sorted(entries(root))
    return [e for e in names if e.is_dir() and e.name != EXPERIMENTS and e.name[0] != "."]


def _with_fields(artifact: Artifact, fields: Sequence[ArrayField]) -> Artifact:
    if tuple(fields) != artifact.fields:
        raise A2pipeError(
            f"{artifact.folder} was stored with other arrays than these: the version of stage "
            f"{artifact.stage!r} has to be raised when its arrays change."
        )
    return artifact
