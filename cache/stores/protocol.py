"""What a store of shards has to do, and which one a backend name means."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...files import FileSum
from ..layout import ArrayField, Backend, Cut
from .hdf5_store import Hdf5Store
from .zarr_store import ZarrStore

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]


class ShardStore(Protocol):
    """Arrays of fixed shape over all rows, written and read shard by shard, under one folder."""

    def create(self) -> None:
        """Write what shows the shards as whole arrays; safe to repeat, and by many at once."""

    def write(self, shard: int, arrays: Mapping[str, Any]) -> dict[str, FileSum]:
        """Put a shard's arrays on disk, flushed; relative path -> sum of every file written."""

    def read(
        self, shard: int, files: Mapping[str, FileSum], names: Collection[str], verify: bool
    ) -> Arrays:
        """Arrays of a shard. The bytes that are checked against `files` are the bytes returned."""

    def files(self, shard: int) -> list[str]:
        """Relative paths of the files that hold a shard."""

    def open(self, name: str) -> Any:
        """All rows of one array as zarr.Array or h5py.Dataset, read-only and unverified."""

    def faults(self) -> list[str]:
        """What is wrong with the files that `create` wrote; empty if nothing is."""


def make_store(
    backend: Backend, folder: Path, fields: Sequence[ArrayField], cut: Cut
) -> ShardStore:
    """The store of that backend under `folder`."""
    if backend == "hdf5":
        return Hdf5Store(folder, tuple(fields), cut)
    return ZarrStore(folder, tuple(fields), cut)
