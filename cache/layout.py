"""This module says how rows lie on disk: fields, images, shards, names of files and folders.

Nothing here is part of a spec's fingerprint: the same rows may be cut into other shards, or stored
by another backend, and are then copied instead of computed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np

from ..errors import A2pipeError
from .fingerprint import digest_of

Backend = Literal["zarr", "hdf5"]
BACKENDS: tuple[Backend, ...] = ("zarr", "hdf5")

FEW = 1000
"""Up to so many images are found by a look at all rows, which is less work than `row_of`."""

SPEC, IMAGES, DONE = "spec.json", "images.npy", "done"
EXPERIMENTS = "experiments"
FINGERPRINT_NAME = re.compile(r"^[0-9a-f]{32}$")
ROWS_NAME = re.compile(r"^[0-9a-f]{16}$")


@dataclass(frozen=True)
class ArrayField:
    """An ArrayField describes one array of an artifact.

    name: its name, which is that of a file too. shape: of one row. dtype: numpy's name of a plain
    integer or float type. fill: the value of a bad row; NaN for floats, so that it cannot be taken
    for a result.

    Raises ValueError for another type or a name that is no file's.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    # Not compared: NaN differs from itself, and the fill value shapes no good row.
    fill: float | int = field(compare=False)

    def __post_init__(self) -> None:
        dtype = np.dtype(self.dtype)
        if dtype.kind not in "iuf" or dtype.name != self.dtype:
            raise ValueError(
                f"field {self.name}: {self.dtype} is not a plain integer or float type"
            )
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", self.name):
            raise ValueError(f"field name {self.name!r} cannot be the name of a file")

    @property
    def stored(self) -> np.dtype[np.generic]:
        """Return the dtype on disk: little-endian everywhere, as checksums are of these bytes."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def row_bytes(self) -> int:
        """Return the bytes of one row."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.stored.itemsize

    def to_json(self) -> dict[str, Any]:
        """Return the field for `spec.json`, with the fill value as text, as JSON has no NaN."""
        return {"name": self.name, "shape": self.shape, "dtype": self.dtype, "fill": str(self.fill)}


def field_from_json(document: Mapping[str, Any]) -> ArrayField:
    """Return the field that `ArrayField.to_json` gave."""
    kind = float if np.dtype(document["dtype"]).kind == "f" else int
    shape, fill = tuple(document["shape"]), kind(document["fill"])
    return ArrayField(document["name"], shape, document["dtype"], fill)


STATUS_FIELD = ArrayField("status", (), "uint8", 0)


@dataclass(frozen=True)
class Cut:
    """A Cut says how rows are cut into shards.

    rows: how many there are. shard_size: rows of a shard; the last shard may be shorter.

    Raises A2pipeError for no rows, or a shard size below 1.
    """

    rows: int
    shard_size: int

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise A2pipeError("There is no readable image to compute rows for: check the dataset.")
        if self.shard_size < 1:
            raise A2pipeError(f"The shard size is {self.shard_size}: give a number of rows >= 1.")

    @property
    def shards(self) -> int:
        """Return how many shards there are."""
        return -(-self.rows // self.shard_size)

    @property
    def chunk(self) -> int:
        """Return the rows of a stored chunk: the shard size, or all rows where they are fewer."""
        return min(self.shard_size, self.rows)

    def rows_of(self, shard: int) -> slice:
        """Return the rows of one shard; IndexError if there is no such shard."""
        if not 0 <= shard < self.shards:
            raise IndexError(f"shard {shard} of {self.shards}")
        start = shard * self.shard_size
        return slice(start, min(start + self.shard_size, self.rows))

    def length_of(self, shard: int) -> int:
        """Return how many rows a shard has."""
        rows = self.rows_of(shard)
        return int(rows.stop - rows.start)


@dataclass(frozen=True)
class Layout:
    """A Layout says which rows an artifact has, and how they lie on disk.

    images: the digest of each row's image, in order, each once. shard_size: rows of a shard.
    backend: what stores them, "zarr" or "hdf5".

    Raises A2pipeError for an unknown backend, ValueError for an image that comes twice.
    """

    images: tuple[str, ...]
    shard_size: int = 1024
    backend: Backend = "zarr"

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise A2pipeError(
                f"There is no store {self.backend!r}: choose one of {', '.join(BACKENDS)}."
            )
        if len(set(self.images)) != len(self.images):
            raise ValueError("the images of a layout are unique")

    @cached_property
    def cut(self) -> Cut:
        """Return how the rows are cut into shards."""
        return Cut(len(self.images), self.shard_size)

    def rows_of(self, shard: int) -> slice:
        """Return the rows of one shard; IndexError if there is no such shard."""
        return self.cut.rows_of(shard)

    @cached_property
    def rows_id(self) -> str:
        """Return the name of the row folder: 16 hexadecimal digits of images, cut and backend."""
        # The cut and the backend are in it: one folder holds chunks of one shape, by one writer.
        return digest_of([*self.images, str(self.shard_size), self.backend])[:16]

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Return the row of each image."""
        return dict(zip(self.images, range(len(self.images)), strict=True))

    def rows_by(self, images: Sequence[str]) -> dict[str, int]:
        """Return the row by image, of at least those of these images that are here."""
        if len(images) > FEW:
            return self.row_of  # a dictionary of all rows, which is kept
        sought = frozenset(images)
        return {image: row for row, image in enumerate(self.images) if image in sought}


@dataclass(frozen=True, eq=False)
class _Images:
    """Digests are found in a cache by this key without hashing a million of them.

    Equality is complete all the same: the hash only has to tell most lists apart.
    """

    digests: tuple[str, ...]

    def __hash__(self) -> int:
        return hash((len(self.digests), self.digests[:1], self.digests[-1:]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Images):
            return NotImplemented
        return self.digests is other.digests or self.digests == other.digests


def layout_of(images: tuple[str, ...], shard_size: int, backend: Backend) -> Layout:
    """Return the layout of these images; for the parameters see `Layout`.

    Artifacts over the same images share one, as a million digests take seconds to digest and a
    hundred megabytes to hold.
    """
    return _layout(_Images(images), shard_size, backend)


@lru_cache(maxsize=4)
def _layout(images: _Images, shard_size: int, backend: Backend) -> Layout:
    return Layout(images.digests, shard_size, backend)
