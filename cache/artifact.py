"""An artifact holds the rows of one spec over one list of images, committed shard by shard."""

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DamagedError, NotCachedError
from ..files import FileSum, sha256_file, unreadable
from .header import read_header
from .images import read_layout
from .layout import DONE, STATUS_FIELD, ArrayField, Layout
from .ledger import BadRow, Ledger, Marker, new_marker
from .status import NOT_FINITE, OK, PENDING, UNREADABLE, bad_rows_of, settle
from .stores.protocol import Arrays, make_store

__all__ = ["NOT_FINITE", "OK", "PENDING", "UNREADABLE", "Artifact"]


class Artifact:
    """An Artifact is an opened folder `<root>/<stage>/<fingerprint>/<rows>` with rows of one spec.

    A shard is done if and only if its marker is valid and the files that it names are there in
    their size; reading compares their SHA-256 as well.

    folder: the folder. layout: that of its rows where it is known, so that it need not be read.
    header: the content of its `spec.json`, of which spec (in full), fingerprint, stage, fields (the
    arrays of a row) and cut (into shards) are attributes. stored: the fields and the status.

    Raises NotCachedError if the folder holds no artifact, DamagedError if its `spec.json` is
    altered, and A2pipeError if a newer version wrote it.
    """

    def __init__(self, folder: Path, layout: Layout | None = None) -> None:
        self.folder = Path(folder)
        self.header = header = read_header(self.folder)
        self.spec, self.fingerprint, self.stage = header.spec, header.fingerprint, header.stage
        self.fields, self.cut = header.fields, header.cut
        self.ledger = Ledger(self.folder / DONE)
        self.stored = (*header.fields, STATUS_FIELD)
        self.store = make_store(header.backend, self.folder, self.stored, self.cut)
        self._known_layout = layout

    def __repr__(self) -> str:
        return f"Artifact({str(self.folder)!r})"

    @cached_property
    def layout(self) -> Layout:
        """Return the images in their order, and their cut into shards.

        Raises DamagedError if the file of images is gone or altered.
        """
        known = self._known_layout
        if known is not None and known.rows_id == self.header.rows_id:
            return known
        return read_layout(self.folder, self.header)

    @property
    def nbytes(self) -> int:
        """Return the bytes of all rows once they are there, with their status, without padding."""
        return self.cut.rows * sum(f.row_bytes for f in self.stored)

    def markers(self) -> dict[int, Marker]:
        """Return the marker of every shard that is done, by shard."""
        return {shard: m for shard, m in self.ledger.markers().items() if self._present(shard, m)}

    def marker(self, shard: int) -> Marker | None:
        """Return the marker of a shard if it is done, without a look at the others."""
        found = self.ledger.read(shard)
        return found if found is not None and self._present(shard, found) else None

    def has(self, shard: int) -> bool:
        """Tell whether one shard is done, without a look at the others."""
        return self.marker(shard) is not None

    def missing(self) -> list[int]:
        """Return the shards to compute, in order.

        They are those without a valid marker, or of which a file is gone or of another size.
        """
        done = self.markers()
        return [shard for shard in range(self.cut.shards) if shard not in done]

    @property
    def complete(self) -> bool:
        """Return whether every shard is done."""
        return not self.missing()

    def commit(
        self,
        shard: int,
        arrays: Arrays,
        status: Any,
        bad: Sequence[BadRow] = (),
        seconds: float = 0.0,
        computed: int | None = None,
        forward: int = 0,
    ) -> tuple[Marker, bool]:
        """Store the rows of a shard, unless it is done already.

        arrays: of every field the rows of the shard, (rows, ...). status: (rows,) uint8, none
        PENDING. bad: the reasons for bad rows, matched by image; their row numbers are set here.
        seconds: how long the rows took. computed: how many of them were computed rather than taken
        over; all, if None. forward: as in `Marker`.

        Returns the marker that now stands, and whether it tells of this very work: False if another
        process committed the shard before, or first.

        Raises A2pipeError if the disk is full or the cache may not be written; earlier shards stay
        as they are. Raises ValueError for arrays that do not fit the fields.
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
        # The data goes first and is on disk when `write` returns. Were the marker first, a crash
        # between the two would leave one that names what is not there, and whose checksums later
        # readers could only report as damage.
        files = self.store.write(shard, settled)
        told = bad_rows_of(states, images, rows.start, bad)
        share = len(images) if computed is None else computed
        found = self._publish(marker := new_marker(shard, files, seconds, share, told, forward))
        # A marker that was there before had lost its files, which this work brought back.
        return found, found is marker or before is not None

    def _publish(self, marker: Marker) -> Marker:
        """Write the marker, unless another writer's is there and tells what lies on disk.

        No lock is held, as locks fail or hang on some network file systems. Two writers of one
        shard mostly write the same bytes. If they do not (two kinds of GPU), the file of the later
        rename lies on disk, and the marker of the other may stand beside it. So whoever finds a
        marker here compares it with the disk, and puts it right. Two that write their markers at
        the same moment find none: reading then finds the checksums at odds, and the shard is
        computed again.
        """
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
        """Tell whether the files that a marker names are there in their size.

        Their checksums are compared when they are read: to ask which of a million rows are done
        would else read them all.
        """
        if not 0 <= shard < self.cut.shards or set(marker.files) != set(self.store.files(shard)):
            return False
        return all(_size(f"{self.folder}/{n}") == total.bytes for n, total in marker.files.items())

    def read_shard(self, shard: int, verify: bool = True) -> Arrays:
        """Return every array of a shard by name, "status" among them: (rows, ...), writable.

        verify: whether to compare the checksums.

        Raises NotCachedError if the shard is not done, and DamagedError if its bytes are not those
        that its marker tells of.
        """
        return self._read(shard, [field.name for field in self.stored], verify)

    def read(self, name: str, verify: bool = True) -> Any:
        """Return all rows of one array, (rows, ...); raises as `rows` does."""
        return self.rows(name, None, verify)

    def rows(self, name: str, images: Sequence[str] | None, verify: bool = True) -> Any:
        """Return rows of one array in the order of `images` (all, if None): (len(images), ...).

        A bad row holds the fill value. Only the files of that array, and of the shards that hold
        these images, are read.

        Raises NotCachedError if there is no such array, an image is not here or its shard is not
        done, and DamagedError if a shard's bytes are not those that its marker tells of.
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
        """Return the field of that name, "status" included; raise NotCachedError if none has it."""
        for field in self.stored:
            if field.name == name:
                return field
        known = ", ".join(f.name for f in self.stored)
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
        """Return every bad row of the shards that are done, in order."""
        return [bad for _, marker in sorted(self.markers().items()) for bad in marker.bad]

    def open(self, name: str) -> Any:
        """Return an array as zarr.Array or h5py.Dataset over all rows.

        It is read-only; no checksum is compared, and rows of missing shards hold the fill value.
        """
        return self.store.open(self.field(name).name)

    def dask(self, name: str) -> Any:
        """Return all rows of an array as a dask.array with one chunk a shard.

        Checksums are compared as chunks are read. Raises NotCachedError unless every shard is done.
        """
        import dask.array as da
        from dask.delayed import delayed

        field = self.field(name)
        missing = self.missing()
        if missing:
            raise NotCachedError(f"{self.folder} lacks {len(missing)} shards: compute them first.")
        # Pure: the same chunk has the same name in every graph, and is read once.
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
    """Return one array of one shard, (rows, ...); a Dask worker runs this for each chunk.

    It is a function of plain values, so that the graph holds neither open files nor layouts.
    """
    return _opened(folder)._read(shard, [name], verify=True)[name]


# A worker is given one chunk after another of the same few artifacts.
@lru_cache(maxsize=64)
def _opened(folder: str) -> Artifact:
    return Artifact(Path(folder))


def _size(path: str) -> int:
    # As text: to make a `Path` takes longer than to look at its file.
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise unreadable(path, error) from error
