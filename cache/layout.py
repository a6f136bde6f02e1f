"""How rows lie on disk: fields, images, the cut into shards, and the names of files and folders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import A2pipeError
from .fingerprint import digest_of

__all__ = [
    "STATUS_FIELD",
    "ArrayField",
    "Backend",
    "Cut",
    "Layout",
    "artifact_folder",
    "layout_of",
]

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
    """One array of an artifact: name, shape of a row, numpy dtype name and value of a bad row."""

    name: str
    shape: tuple[int, ...]
    dtype: str
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
        """The little-endian dtype on disk."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.stored.itemsize

    def to_json(self) -> dict[str, Any]:
        """The field for `spec.json`, which has no NaN: the fill value as text."""
        return {"name": self.name, "shape": self.shape, "dtype": self.dtype, "fill": str(self.fill)}


def field_from_json(document: Mapping[str, Any]) -> ArrayField:
    """The inverse of `ArrayField.to_json`."""
    kind = float if np.dtype(document["dtype"]).kind == "f" else int
    shape, fill = tuple(document["shape"]), kind(document["fill"])
    return ArrayField(document["name"], shape, document["dtype"], fill)


STATUS_FIELD = ArrayField("status", (), "uint8", 0)


@dataclass(frozen=True)
class Cut:
    """`rows` rows cut into shards of `shard_size`; the last may be shorter."""

    rows: int
    shard_size: int

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise A2pipeError("There is no readable image to compute rows for: check the dataset.")
        if self.shard_size < 1:
            raise A2pipeError(f"The shard size is {self.shard_size}: give a number of rows >= 1.")

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.rows // self.shard_size)

    @property
    def chunk(self) -> int:
        """Rows of a stored chunk: the shard size, or all rows where they are fewer."""
        return min(self.shard_size, self.rows)

    def rows_of(self, shard: int) -> slice:
        """The rows of one shard; IndexError if there is no such shard."""
        if not 0 <= shard < self.shards:
            raise IndexError(f"shard {shard} of {self.shards}")
        start = shard * self.shard_size
        return slice(start, min(start + self.shard_size, self.rows))

    def length_of(self, shard: int) -> int:
        """How many rows a shard has."""
        rows = self.rows_of(shard)
        return int(rows.stop - rows.start)


@dataclass(frozen=True)
class Layout:
    """The ordered, unique image digests of an artifact, how they are cut, and what stores them."""

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
        return Cut(len(self.images), self.shard_size)

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return self.cut.shards

    def rows_of(self, shard: int) -> slice:
        """The rows of one shard; IndexError if there is no such shard."""
        return self.cut.rows_of(shard)

    @cached_property
    def rows_id(self) -> str:
        """16 hexadecimal digits of images, shard size and backend: the name of the row folder."""
        return digest_of([*self.images, str(self.shard_size), self.backend])[:16]

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each image."""
        return dict(zip(self.images, range(len(self.images)), strict=True))

    def rows_by(self, images: Sequence[str]) -> dict[str, int]:
        """Row by image, of at least those of these images that are here."""
        if len(images) > FEW:
            return self.row_of
        sought = frozenset(images)
        return {image: row for row, image in enumerate(self.images) if image in sought}


@dataclass(frozen=True, eq=False)
class _Images:
    """Digests as a key that is found without hashing a million of them."""

    digests: tuple[str, ...]

    def __hash__(self) -> int:
        return hash((len(self.digests), self.digests[:1], self.digests[-1:]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Images):
            return NotImplemented
        return self.digests is other.digests or self.digests == other.digests


def layout_of(images: tuple[str, ...], shard_size: int, backend: Backend) -> Layout:
    """The layout; artifacts over the same images share it, as a million digests take seconds to
    digest and a hundred megabytes to hold."""
    return _layout(_Images(images), shard_size, backend)


@lru_cache(maxsize=4)
def _layout(images: _Images, shard_size: int, backend: Backend) -> Layout:
    return Layout(images.digests, shard_size, backend)


def artifact_folder(root: Path, stage: str, fingerprint: str, rows_id: str) -> Path:
    """`<root>/<stage>/<fingerprint>/<rows>`."""
    return root / stage / fingerprint / rows_id
