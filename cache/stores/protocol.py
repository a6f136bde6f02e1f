"""A store of shards keeps to the protocol here, and each name of a backend means one store."""

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
    """A ShardStore writes and reads arrays of fixed shape, shard by shard, under one folder."""

    def create(self) -> None:
        """Write the files that show all shards as whole arrays.

        It may be repeated, by many processes at once. Raises A2pipeError if that fails.
        """

    def write(self, shard: int, arrays: Mapping[str, Any]) -> dict[str, FileSum]:
        """Put a shard's arrays on disk; they are flushed when it returns.

        arrays: for each field its rows, (rows, ...). Returns the size and checksum of every file
        written, by its path relative to the folder. Raises A2pipeError if that fails.
        """

    def read(
        self, shard: int, files: Mapping[str, FileSum], names: Collection[str], verify: bool
    ) -> Arrays:
        """Return the named arrays of a shard, (rows, ...).

        files: the sums that its marker tells. verify: whether to compare checksums as well as
        sizes. What was compared is what is returned: nothing is read twice. Raises DamagedError if
        a file is gone or another.
        """

    def files(self, shard: int) -> list[str]:
        """Return the paths, relative to the folder, of the files that hold a shard."""

    def open(self, name: str) -> Any:
        """Return all rows of one array as zarr.Array or h5py.Dataset, read-only, unverified."""

    def faults(self) -> list[str]:
        """Return what is wrong with the files that `create` wrote; empty if nothing is."""


def make_store(
    backend: Backend, folder: Path, fields: Sequence[ArrayField], cut: Cut
) -> ShardStore:
    """Return the store of that backend under an artifact's folder."""
    if backend == "hdf5":
        return Hdf5Store(folder, tuple(fields), cut)
    return ZarrStore(folder, tuple(fields), cut)
