"""Write an artifact as a file that others read: .npy, .parquet, .zarr or .h5, by suffix."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import NotCachedError, UsageError
from ..files import explained, make_folder, replacing
from .artifact import Artifact
from .layout import STATUS_FIELD, ArrayField

_IMAGE = "image"
_Writer = Callable[[Artifact, Sequence[ArrayField], Path], None]


def export(artifact: Artifact, target: Path, name: str | None = None) -> list[Path]:
    """Write all rows of a complete artifact to `target`, and return the paths written.

    Every row comes with its image's digest and its status: in columns or arrays `image` and
    `status`, or for .npy in files beside it (`x.images.npy`, `x.status.npy`). A Parquet cell holds
    its row flattened; the shape stands in the metadata of the column.

    target: a file that does not exist yet. name: one array only; all by default, but a .npy holds
    exactly one.

    Raises UsageError for another suffix, a target that exists, or several arrays for a .npy;
    NotCachedError if shards are missing; DamagedError if stored bytes are damaged; A2pipeError if
    the target cannot be written.
    """
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        known = ", ".join(_WRITERS)
        raise UsageError(f"{target} has no suffix that can be exported to: use one of {known}.")
    fields = (artifact.field(name),) if name else artifact.fields
    _refuse_existing([target, *_beside(target)])
    missing = artifact.missing()
    if missing:
        raise NotCachedError(f"{artifact.folder} lacks {len(missing)} shards: compute them first.")
    if writer is _write_npy:
        return _export_npy(artifact, fields, target)
    _put(writer, artifact, fields, target)
    return [target]


def _put(writer: _Writer, artifact: Artifact, fields: Sequence[ArrayField], target: Path) -> None:
    make_folder(target.absolute().parent)
    with explained(target), replacing(target.absolute()) as temp:
        writer(artifact, fields, temp)


def _parts(artifact: Artifact) -> Iterator[tuple[slice, dict[str, Any]]]:
    """Yield rows and verified arrays shard by shard, as all of them may not fit into memory."""
    for shard in range(artifact.cut.shards):
        yield artifact.cut.rows_of(shard), artifact.read_shard(shard)


def _export_npy(artifact: Artifact, fields: Sequence[ArrayField], target: Path) -> list[Path]:
    if len(fields) != 1:
        names = ", ".join(field.name for field in fields)
        raise UsageError(f"A .npy file holds one array: name one of {names}.")
    images, status = _beside(target)
    _put(_write_image_npy, artifact, fields, images)
    _put(_write_npy, artifact, [STATUS_FIELD], status)
    # Last, so that the two files that explain it are there if it is.
    _put(_write_npy, artifact, fields, target)
    return [target, images, status]


def _beside(target: Path) -> list[Path]:
    """Return the paths of the files beside a .npy: images and status."""
    suffixes = (".images.npy", ".status.npy") if target.suffix.lower() == ".npy" else ()
    return [target.with_suffix(suffix) for suffix in suffixes]


def _refuse_existing(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} exists already: choose another name, or delete it first.")


def _write_image_npy(artifact: Artifact, fields: Sequence[ArrayField], temp: Path) -> None:  # noqa: ARG001
    # By way of memory: straight to a file, numpy 2.4 loses the error of its last write, so that a
    # full disk would leave half a file that is taken for a whole one.
    buffer = io.BytesIO()
    np.save(buffer, np.array(artifact.layout.images, dtype=np.str_))
    temp.write_bytes(buffer.getbuffer())


def _write_npy(artifact: Artifact, fields: Sequence[ArrayField], temp: Path) -> None:
    (field,) = fields
    shape = (artifact.cut.rows, *field.shape)
    # Written rather than mapped: on a full disk a mapped file ends the process by a signal.
    header = {"descr": field.stored.str, "fortran_order": False, "shape": shape}
    with temp.open("xb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for _, arrays in _parts(artifact):
            out.write(np.ascontiguousarray(arrays[field.name]).data)


def _write_parquet(artifact: Artifact, fields: Sequence[ArrayField], temp: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = (*fields, STATUS_FIELD)
    columns = [pa.field(_IMAGE, pa.string()), *(_column(field) for field in stored)]
    schema = pa.schema(columns, {"fingerprint": artifact.fingerprint, "stage": artifact.stage})
    with pq.ParquetWriter(temp, schema) as out:
        for rows, arrays in _parts(artifact):
            values = [_cells(field, arrays[field.name]) for field in stored]
            images = pa.array(artifact.layout.images[rows], pa.string())
            out.write_table(pa.Table.from_arrays([images, *values], schema=schema))


def _column(field: ArrayField) -> Any:
    import pyarrow as pa

    kind = _cells(field, np.empty((0, *field.shape), field.dtype)).type
    return pa.field(field.name, kind, metadata={"shape": ",".join(map(str, field.shape))})


def _cells(field: ArrayField, rows: Any) -> Any:
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(rows).reshape(-1))
    if not field.shape:
        return flat
    return pa.FixedSizeListArray.from_arrays(flat, int(np.prod(field.shape)))


def _write_zarr(artifact: Artifact, fields: Sequence[ArrayField], temp: Path) -> None:
    import zarr

    stored = (*fields, STATUS_FIELD)
    group: Any = zarr.create_group(str(temp))
    group.attrs.update({"fingerprint": artifact.fingerprint, "stage": artifact.stage})
    images = np.array(artifact.layout.images, dtype=object)
    group.create_array(_IMAGE, shape=images.shape, dtype=str)[:] = images
    for field in stored:
        shape, chunks = (artifact.cut.rows, *field.shape), (artifact.cut.chunk, *field.shape)
        kind = {"dtype": field.dtype, "fill_value": field.fill}
        group.create_array(field.name, shape=shape, chunks=chunks, **kind)
    for rows, arrays in _parts(artifact):
        for field in stored:
            group[field.name][rows] = arrays[field.name]


def _write_hdf5(artifact: Artifact, fields: Sequence[ArrayField], temp: Path) -> None:
    import h5py

    stored = (*fields, STATUS_FIELD)
    with h5py.File(temp, "w", locking=False) as file:
        file.attrs.update({"fingerprint": artifact.fingerprint, "stage": artifact.stage})
        file.create_dataset(_IMAGE, data=np.array(artifact.layout.images, dtype=np.bytes_))
        for field in stored:
            file.create_dataset(field.name, (artifact.cut.rows, *field.shape), field.stored)
        for rows, arrays in _parts(artifact):
            for field in stored:
                file[field.name][rows] = arrays[field.name]


_WRITERS: dict[str, _Writer] = {
    ".npy": _write_npy,
    ".parquet": _write_parquet,
    ".zarr": _write_zarr,
    ".h5": _write_hdf5,
}
