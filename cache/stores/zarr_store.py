"""Store rows in Zarr v3: a shard is a chunk of each array, `data.zarr/<array>/c.<shard>.0…`.

A chunk is its plain little-endian bytes, uncompressed, and the metadata is a few lines of JSON
(Zarr specification 3.0, https://zarr-specs.readthedocs.io). Both are written here directly: every
file appears whole by a rename, and its checksum is taken from the bytes in memory. `open` goes
through the zarr package.

Measurements on zarr 3.1.6 led to this. Eight writers on inner chunks of one Zarr *shard* lost half
of them, and a torn one could not be rewritten, hence no sharding. Chunks of one row write 200 times
slower than chunks of 4096, hence a chunk is a whole shard of work. A chunk that equals the fill
value is not stored at all, so that a missing file would prove nothing, hence our own writer, which
stores it like any other.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...files import FileSum, atomic_write_bytes, make_folder, read_checked
from ..layout import ArrayField, Cut

FOLDER, METADATA = "data.zarr", "zarr.json"


@dataclass(frozen=True)
class ZarrStore:
    """A ZarrStore keeps the arrays of an artifact in `data.zarr`; see `ShardStore`.

    folder: the artifact's. fields: the arrays. cut: how their rows are cut into shards.
    """

    folder: Path
    fields: tuple[ArrayField, ...]
    cut: Cut

    def create(self) -> None:
        """Write the group's and every array's metadata."""
        for name, document in self._metadata().items():
            path = self.folder / name
            make_folder(path.parent)
            atomic_write_bytes(path, json.dumps(document, indent=1).encode())

    def write(self, shard: int, arrays: Mapping[str, Any]) -> dict[str, FileSum]:
        """Write one chunk for each array.

        All chunks of a Zarr array are of one shape, so a short last shard is padded with the fill
        value.
        """
        sums = {}
        for field in self.fields:
            name = chunk_name(field, shard)
            chunk = self._padded(field, arrays[field.name])
            sums[name] = atomic_write_bytes(self.folder / name, memoryview(chunk).cast("B"))
        return sums

    def read(
        self, shard: int, files: Mapping[str, FileSum], names: Collection[str], verify: bool
    ) -> dict[str, Any]:
        """Return the named arrays of a shard, (rows, ...), without padding."""
        return {
            field.name: self._chunk(field, shard, files, verify)
            for field in self.fields
            if field.name in names
        }

    def files(self, shard: int) -> list[str]:
        """Return one path for each array."""
        return [chunk_name(field, shard) for field in self.fields]

    def open(self, name: str) -> Any:
        """Return the array as a read-only zarr.Array."""
        import zarr

        return zarr.open_array(str(self.folder / FOLDER / name), mode="r")

    def faults(self) -> list[str]:
        """Return a sentence for each metadata file that is gone or altered."""
        expected = self._metadata().items()
        return [
            f"{name} is gone or altered"
            for name, document in expected
            if self._found(name) != document
        ]

    def _found(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None

    def _metadata(self) -> dict[str, dict[str, Any]]:
        group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
        arrays = {
            f"{FOLDER}/{field.name}/{METADATA}": array_metadata(field, self.cut)
            for field in self.fields
        }
        return {f"{FOLDER}/{METADATA}": group, **arrays}

    def _padded(self, field: ArrayField, rows: Any) -> Any:
        if len(rows) == self.cut.chunk:
            return np.ascontiguousarray(rows, field.stored).reshape(-1)
        chunk = np.full((self.cut.chunk, *field.shape), field.fill, field.stored)
        chunk[: len(rows)] = rows
        return chunk.reshape(-1)

    def _chunk(
        self, field: ArrayField, shard: int, files: Mapping[str, FileSum], verify: bool
    ) -> Any:
        name = chunk_name(field, shard)
        data = read_checked(self.folder / name, files[name], verify)
        # The array is a view of the bytes, which are a bytearray, so that it can be written to.
        rows = np.frombuffer(data, field.stored).reshape(self.cut.chunk, *field.shape)
        return rows[: self.cut.length_of(shard)]


def chunk_name(field: ArrayField, shard: int) -> str:
    """Return the path of a shard's chunk, relative to the artifact's folder."""
    return f"{FOLDER}/{field.name}/c.{shard}" + ".0" * len(field.shape)


def array_metadata(field: ArrayField, cut: Cut) -> dict[str, Any]:
    """Return the content of the `zarr.json` of an array."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [cut.rows, *field.shape],
        "data_type": field.dtype,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [cut.chunk, *field.shape]},
        },
        # By dots all chunks of an array lie in one folder, beside its metadata.
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": _json_fill(field),
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {},
    }


def _json_fill(field: ArrayField) -> float | int | str:
    """Return the fill value as Zarr writes it: JSON has neither NaN nor infinity."""
    if np.dtype(field.dtype).kind != "f" or math.isfinite(field.fill):
        return field.fill
    return "NaN" if math.isnan(field.fill) else "Infinity" if field.fill > 0 else "-Infinity"
