"""An artifact: the rows of one spec over one list of images, committed shard by shard."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import A2pipeError, DamagedError, NotCachedError
from ..files import FileSum, sha256_file
from .header import read_header
from .images import read_layout
from .layout import DONE, STATUS_FIELD, ArrayField, Layout
from .ledger import BadRow, Ledger, Marker, new_marker
from .status import NOT_FINITE, OK, PENDING, UNREADABLE, bad_rows_of, settle
from .stores.protocol import Arrays, make_store

__all__ = ["NOT_FINITE", "OK", "PENDING", "UNREADABLE", "Artifact"]


class Artifact:
    """The folder `<root>/<stage>/<fingerprint>/<rows>`, opened.

    Raises NotCachedError, DamagedError or A2pipeError as `read_header` does. A shard is done if and
    only if its marker is valid and the files it names are there in their size; reading checks
    their SHA-256. layout: that of the folder's rows where it is known, so that it need not be read.
    """

    def __init__(self, folder: Path, layout: Layout | None = None) -> None:
        self.folder = Path(folder)
        self._known_layout = layout
        self.header = read_header(self.folder)
        self.cut = self.header.cut
        self.ledger = Ledger(self.folder / DONE)
        stored = (*self.header.fields, STATUS_FIELD)
        self.store = make_store(self.header.backend, self.folder, stored, self.cut)

    def __repr__(self) -> str:
        return f"Artifact({str(self.folder)!r})"

    @property
    def spec(self) -> dict[str, Any]:
        """The spec in full, labels and defaults included."""
        return self.header.spec

    @property
    def fingerprint(self) -> str:
        return self.header.fingerprint

    @property
    def stage(self) -> str:
        return self.header.stage

    @property
    def fields(self) -> tuple[ArrayField, ...]:
        """The arrays, without the status that stands beside them."""
        return self.header.fields

    @cached_property
    def layout(self) -> Layout:
        """The images in their order and their cut into shards; DamagedError if altered."""
        known = self._known_layout
        if known is not None and known.rows_id == self.header.rows_id:
            return known
        return read_layout(self.folder, self.header)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows, once complete, status included and padding left out."""
        return self.cut.rows * sum(f.row_bytes for f in (*self.fields, STATUS_FIELD))

    def markers(self) -> dict[int, Marker]:
        """The marker of every shard that is done."""
        return {shard: m for shard, m in self.ledger.markers().items() if self._present(shard, m)}

    def marker(self, shard: int) -> Marker | None:
        """The marker of a shard if it is done."""
        found = self.ledger.read(shard)
        return found if found is not None and self._present(shard, found) else None

    def missing(self) -> list[int]:
        """Shards to compute, in order: no valid marker, or a file of it gone or of another size."""
        done = self.markers()
        return [shard for shard in range(self.cut.shards) if shard not in done]

    def has(self, shard: int) -> bool:
        """Whether one shard is done, without a look at the others."""
        found = self.ledger.read(shard)
        return found is not None and self._present(shard, found)

    @property
    def complete(self) -> bool:
        """Whether every shard is done."""
        return not self.missing()

    def commit(
        self,
        shard: int,
        arrays: Arrays,
        status: Any,
        bad: Sequence[BadRow] = (),
        seconds: float = 0.0,
        computed: int | None = None,
    ) -> tuple[Marker, bool]:
        """Store a shard: data, flush, then the marker.

        Returns the marker that now stands, and whether it tells of this very work: False if another
        process committed the shard before, or first.

        arrays: every field's rows of the shard, (rows, ...); status: (rows,) uint8, none PENDING.
        bad: reasons, matched by image; its row numbers are set here. computed: rows computed rather
        than taken over, all by default. A shard that is done already is left as it is. A2pipeError
        if the disk is full or the cache may not be written; earlier shards stay as they are.
        """
        rows = self.cut.rows_of(shard)
        if len(status) != self.cut.length_of(shard):
            raise ValueError(
                f"shard {shard} has {self.cut.length_of(shard)} rows, not {len(status)}"
            )
        before = self.ledger.read(shard)
        if before is not None and self._present(shard, before):
            return before, False
        settled, states = settle(self.fields, arrays, status)
        images = self.layout.images[rows]
        files = self.store.write(shard, settled)
        told = bad_rows_of(states, images, rows.start, bad)
        share = len(images) if computed is None else computed
        found = self._publish(marker := new_marker(shard, files, seconds, share, told))
        # A marker that was there before had lost its files, which this work brought back.
        return found, found is marker or before is not None

    def _publish(self, marker: Marker) -> Marker:
        """Write the marker, unless another writer's is there and tells what lies on disk."""
        found = self.ledger.read(marker.shard)
        if found is not None and (found.files == marker.files or self._matches(found.files)):
            return found
        self.ledger.write(marker)
        return marker

    def _matches(self, files: dict[str, FileSum]) -> bool:
        with suppress(OSError):
            return all(sha256_file(self.folder / n) == total for n, total in files.items())
        return False

    def _present(self, shard: int, marker: Marker) -> bool:
        if not 0 <= shard < self.cut.shards or set(marker.files) != set(self.store.files(shard)):
            return False
        return all(_size(f"{self.folder}/{n}") == total.bytes for n, total in marker.files.items())

    def read_shard(self, shard: int, verify: bool = True) -> Arrays:
        """Every array of a shard, "status" among them: (rows of the shard, ...), writable.

        NotCachedError if the shard is not done; DamagedError if its bytes do not match the marker.
        """
        return self._read(shard, [field.name for field in (*self.fields, STATUS_FIELD)], verify)

    def read(self, name: str, verify: bool = True) -> Any:
        """All rows of one array, (rows, ...); NotCachedError unless every shard is done."""
        return self.rows(name, None, verify)

    def rows(self, name: str, images: Sequence[str] | None, verify: bool = True) -> Any:
        """Rows of one array in the order of `images` (all, if None): (len(images), ...).

        A bad row holds the fill value. Only the files of that array, and of the shards that hold
        these images, are read. NotCachedError if an image is not here or its shard is not done.
        """
        field = self.field(name)
        wanted = np.arange(self.cut.rows) if images is None else self._rows_of(images)
        result = np.empty((len(wanted), *field.shape), field.dtype)
        shards = wanted // self.cut.shard_size
        for shard in np.unique(shards):
            part = self._read(int(shard), [name], verify)[name]
            mine = np.flatnonzero(shards == shard)
            result[mine] = part[wanted[mine] - int(shard) * self.cut.shard_size]
        return result

    def field(self, name: str) -> ArrayField:
        """The field of that name, "status" included; NotCachedError if there is none."""
        for field in (*self.fields, STATUS_FIELD):
            if field.name == name:
                return field
        known = ", ".join(f.name for f in (*self.fields, STATUS_FIELD))
        raise NotCachedError(f"{self.folder} has no array {name!r}: it has {known}.")

    def _rows_of(self, images: Sequence[str]) -> Any:
        rows = self.layout.rows_by(images)
        absent = next((image for image in images if image not in rows), None)
        if absent is not None:
            raise NotCachedError(f"Image {absent} is not among the rows of {self.folder}.")
        return np.array([rows[image] for image in images], dtype=np.int64)

    def _read(self, shard: int, names: list[str], verify: bool) -> Arrays:
        marker = self.ledger.read(shard)
        if marker is None:
            raise NotCachedError(
                f"Shard {shard} of {self.folder} is not computed yet: run it first."
            )
        try:
            return self.store.read(shard, marker.files, names, verify)
        except DamagedError as error:
            raise DamagedError(f"Shard {shard} of {self.folder} is damaged: {error}") from error
        except KeyError as error:
            raise DamagedError(
                f"The marker of shard {shard} in {self.folder} lacks {error}."
            ) from error

    def discard(self, shard: int) -> None:
        """Drop a shard's marker, so that it is computed again."""
        self.ledger.discard(shard)

    def bad_rows(self) -> list[BadRow]:
        """Every bad row of the shards that are done, in order."""
        return [bad for _, marker in sorted(self.markers().items()) for bad in marker.bad]

    def open(self, name: str) -> Any:
        """All rows of an array as zarr.Array or h5py.Dataset, read-only and unverified."""
        return self.store.open(self.field(name).name)

    def dask(self, name: str) -> Any:
        """All rows of an array as a dask.array, one chunk a shard, verified as it is read."""
        import dask.array as da
        from dask.delayed import delayed

        field = self.field(name)
        missing = self.missing()
        if missing:
            raise NotCachedError(f"{self.folder} lacks {len(missing)} shards: compute them first.")
        part = delayed(load_part, pure=True)
        blocks = [
            da.from_delayed(  # type: ignore[no-untyped-call]
                part(str(self.folder), name, shard),
                shape=(self.cut.length_of(shard), *field.shape),
                dtype=field.dtype,
            )
            for shard in range(self.cut.shards)
        ]
        return da.concatenate(blocks)  # type: ignore[no-untyped-call]


def load_part(folder: str, name: str, shard: int) -> Any:
    """One array of one shard; what a Dask worker runs."""
    return _opened(folder)._read(shard, [name], verify=True)[name]


@lru_cache(maxsize=64)
def _opened(folder: str) -> Artifact:
    return Artifact(Path(folder))


def _size(path: str) -> int:
    """As text: a `Path` takes longer to make than its file to be looked at."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise A2pipeError(
            f"{path} could not be read ({error.strerror}): check the disk."
        ) from error
