"""Store rows in HDF5: `data/000017.h5` holds shard 17, and `data.h5` shows all as virtual datasets.

Each shard has its file, as HDF5 allows no two writers of one. Every file is built in memory and
renamed into place. Files are opened without HDF5's own locks, which fail or hang on some network
file systems; the markers make them needless. `data.h5.json` holds the checksum of `data.h5`, as
HDF5 may crash or hang on a damaged file, which therefore has to be found before it is opened.
"""

import io
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import DamagedError
from ...files import (
    FileSum,
    atomic_write_bytes,
    make_folder,
    parse_checked_json,
    read_checked,
    sha256_file,
    write_checked_json,
)
from ..layout import ArrayField, Cut

FOLDER, VIEW, VIEW_SUM = "data", "data.h5", "data.h5.json"
_SPOILT = (OSError, KeyError, RuntimeError, ValueError)
"""These are the errors that h5py raises for a damaged file."""


@dataclass(frozen=True)
class Hdf5Store:
    """An Hdf5Store keeps the arrays of an artifact in `data/` and `data.h5`; see `ShardStore`.

    folder: the artifact's. fields: the arrays. cut: how their rows are cut into shards.
    """

    folder: Path
    fields: tuple[ArrayField, ...]
    cut: Cut

    def create(self) -> None:
        """Write the virtual datasets; shards still to come read as the fill value."""
        make_folder(self.folder / FOLDER)
        # After a crash between the two they are at odds: `faults` tells, and both are made anew.
        total = atomic_write_bytes(self.folder / VIEW, self._virtual())
        write_checked_json(self.folder / VIEW_SUM, asdict(total))

    def write(self, shard: int, arrays: Mapping[str, Any]) -> dict[str, FileSum]:
        """Write the shard's file, with one contiguous dataset for each array."""
        import h5py

        image = io.BytesIO()
        with h5py.File(image, "w") as file:
            for field in self.fields:
                file.create_dataset(field.name, data=arrays[field.name], dtype=field.stored)
        name = file_name(shard)
        return {name: atomic_write_bytes(self.folder / name, image.getbuffer())}

    def read(
        self, shard: int, files: Mapping[str, FileSum], names: Collection[str], verify: bool
    ) -> dict[str, Any]:
        """Return the named arrays of a shard, (rows, ...)."""
        import h5py

        path = self.folder / file_name(shard)
        # Read whole and checked before HDF5 sees it; no copy on disk can change in between.
        data = read_checked(path, files[file_name(shard)], verify)
        try:
            with h5py.File(io.BytesIO(data), "r") as file:
                return {
                    field.name: file[field.name][()] for field in self.fields if field.name in names
                }
        except _SPOILT as error:
            raise DamagedError(f"{path} is no whole HDF5 file: compute its shard again.") from error

    def files(self, shard: int) -> list[str]:
        """Return the one path that holds all arrays."""
        return [file_name(shard)]

    def open(self, name: str) -> Any:
        """Return the array as a read-only h5py.Dataset, which keeps its file open."""
        import h5py

        return h5py.File(self.folder / VIEW, "r", locking=False)[name]

    def faults(self) -> list[str]:
        """Return a sentence for each thing that `data.h5` lacks or shows wrongly."""
        import h5py

        try:
            if not self._is_as_written():
                return [f"{VIEW} or {VIEW_SUM} is altered"]
            with h5py.File(self.folder / VIEW, "r", locking=False) as file:
                return [
                    f"{VIEW} does not show the array {field.name}"
                    for field in self.fields
                    if field.name not in file or not self._shows(file[field.name], field)
                ]
        except _SPOILT:
            return [f"{VIEW} is gone or no whole HDF5 file"]

    def _is_as_written(self) -> bool:
        """Tell whether `data.h5` has its checksum, which earlier versions did not write."""
        try:
            document = parse_checked_json((self.folder / VIEW_SUM).read_bytes())
        except FileNotFoundError:
            return True
        return document == asdict(sha256_file(self.folder / VIEW))

    def _shows(self, dataset: Any, field: ArrayField) -> bool:
        sources = dataset.virtual_sources() if dataset.is_virtual else []
        names = [source.file_name for source in sources]
        shape = (self.cut.rows, *field.shape)
        return dataset.shape == shape and names == [file_name(i) for i in range(self.cut.shards)]

    def _virtual(self) -> memoryview:
        import h5py

        image = io.BytesIO()
        with h5py.File(image, "w") as file:
            for field in self.fields:
                file.create_virtual_dataset(field.name, self._layout(field), fillvalue=field.fill)
        return image.getbuffer()

    def _layout(self, field: ArrayField) -> Any:
        import h5py

        layout = h5py.VirtualLayout((self.cut.rows, *field.shape), dtype=field.stored)
        for shard in range(self.cut.shards):
            shape = (self.cut.length_of(shard), *field.shape)
            source = h5py.VirtualSource(file_name(shard), field.name, shape, dtype=field.stored)
            layout[self.cut.rows_of(shard)] = source
        return layout


def file_name(shard: int) -> str:
    """Return the path of a shard's file, relative to the artifact's folder and so to `data.h5`."""
    # Relative names in the view let the folder be moved.
    return f"{FOLDER}/{shard:06d}.h5"
