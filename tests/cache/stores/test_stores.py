"""Both stores give back, bit for bit, what they were given, also to plain zarr and h5py."""

import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from a2pipe.cache.layout import ArrayField, Cut
from a2pipe.cache.stores.protocol import make_store

DTYPES = ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "uint16"]


def same(one, two):
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()


@st.composite
def stored(draw):
    """Fields, a cut, and any arrays over it: NaN payloads, infinities and fill values included."""
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)
    kinds = draw(st.lists(st.tuples(st.sampled_from(DTYPES), shapes), min_size=1, max_size=3))
    fields = tuple(ArrayField(f"f{i}", s, d, 0) for i, (d, s) in enumerate(kinds))
    cut = Cut(draw(st.integers(1, 9)), draw(st.integers(1, 4)))
    arrays = {f.name: draw(hnp.arrays(f.dtype, (cut.rows, *f.shape))) for f in fields}
    return fields, cut, arrays


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=stored())
def test_any_arrays_come_back_bit_for_bit(backend, case):
    fields, cut, arrays = case
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(backend, Path(folder), fields, cut)
        store.create()
        for shard in range(cut.shards):
            part = {name: array[cut.rows_of(shard)] for name, array in arrays.items()}
            sums = store.write(shard, part)
            assert sorted(sums) == sorted(store.files(shard))
            back = store.read(shard, sums, list(arrays), verify=True)
            assert all(same(back[name], part[name]) for name in arrays)
        for name, array in arrays.items():
            assert same(np.asarray(store.open(name)[...]), array)


def filled(folder, backend, rows=10):
    fields = (
        ArrayField("x", (2,), "float32", float("nan")),
        ArrayField("n", (), "int32", -1),
    )
    cut = Cut(rows, 4)
    store = make_store(backend, folder, fields, cut)
    store.create()
    arrays = {
        "x": np.arange(rows * 2, dtype=np.float32).reshape(rows, 2),
        "n": np.arange(rows, dtype=np.int32),
    }
    return store, cut, arrays


def part(arrays, rows):
    return {name: array[rows] for name, array in arrays.items()}


def test_shards_still_to_come_show_as_the_fill_value(tmp_path, backend):
    store, cut, arrays = filled(tmp_path, backend)
    store.write(1, part(arrays, cut.rows_of(1)))
    x, n = store.open("x")[...], store.open("n")[...]
    assert np.isnan(x[:4]).all()
    assert (x[4:8] == arrays["x"][4:8]).all()
    assert (n[:4] == -1).all()
    assert np.isnan(x[8:]).all()


def test_plain_zarr_reads_the_group(tmp_path):
    store, cut, arrays = filled(tmp_path, "zarr")
    for shard in range(cut.shards):
        store.write(shard, part(arrays, cut.rows_of(shard)))
    group = zarr.open_group(str(tmp_path / "data.zarr"), mode="r")
    assert sorted(group.array_keys()) == ["n", "x"]
    assert group["x"].chunks == (4, 2)
    assert group["x"].shards is None
    assert (group["x"][:] == arrays["x"]).all()
    assert (group["n"][:] == arrays["n"]).all()


def test_a_chunk_that_equals_the_fill_value_is_stored(tmp_path, backend):
    store, _, _ = filled(tmp_path, backend)
    empty = {"x": np.full((4, 2), np.nan, np.float32), "n": np.full(4, -1, np.int32)}
    sums = store.write(0, empty)
    assert all((tmp_path / name).stat().st_size == total.bytes > 0 for name, total in sums.items())


def test_plain_h5py_reads_the_virtual_dataset_from_anywhere(tmp_path, monkeypatch):
    store, cut, arrays = filled(tmp_path / "here", "hdf5")
    for shard in range(cut.shards):
        store.write(shard, part(arrays, cut.rows_of(shard)))
    (tmp_path / "here").rename(tmp_path / "moved")
    monkeypatch.chdir("/")
    with h5py.File(tmp_path / "moved" / "data.h5") as file:
        assert (file["x"][:] == arrays["x"]).all()
        assert (file["n"][:] == arrays["n"]).all()
    monkeypatch.chdir(tmp_path)
    with h5py.File(os.path.join("moved", "data.h5")) as file:  # noqa: PTH118
        assert (file["x"][:] == arrays["x"]).all()


def test_an_open_hdf5_dataset_locks_out_no_writer(tmp_path):
    import fcntl

    store, cut, arrays = filled(tmp_path, "hdf5")
    store.write(0, part(arrays, cut.rows_of(0)))
    dataset = store.open("x")
    assert (dataset[:4] == arrays["x"][:4]).all()
    for name in ("data.h5", "data/000000.h5"):
        with (tmp_path / name).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    store.write(0, part(arrays, cut.rows_of(0)))


def test_the_same_arrays_always_give_the_same_files(tmp_path, backend):
    sums = []
    for name in ("a", "b"):
        store, cut, arrays = filled(tmp_path / name, backend)
        sums.append(store.write(2, part(arrays, cut.rows_of(2))))
    assert sums[0] == sums[1]


def test_creating_again_keeps_the_shards(tmp_path, backend):
    store, cut, arrays = filled(tmp_path, backend)
    sums = store.write(0, part(arrays, cut.rows_of(0)))
    store.create()
    assert (store.read(0, sums, ["n"], verify=True)["n"] == arrays["n"][:4]).all()


def test_a_view_that_is_gone_or_altered_is_found_and_made_anew(tmp_path, backend):
    store, _, _ = filled(tmp_path, backend)
    assert store.faults() == []
    view = tmp_path / ("data.h5" if backend == "hdf5" else "data.zarr/x/zarr.json")
    for content in (b"", view.read_bytes()[:40]):
        view.write_bytes(content)
        assert len(store.faults()) == 1
    view.unlink()
    assert len(store.faults()) == 1
    store.create()
    assert store.faults() == []


def spoil(path):
    """Zeros in place of the second half; the size stays."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


def test_an_altered_hdf5_view_is_found_before_hdf5_reads_it(tmp_path, monkeypatch):
    store, _, _ = filled(tmp_path, "hdf5")
    spoil(tmp_path / "data.h5")
    with monkeypatch.context() as patch:
        patch.setattr(h5py, "File", None)
        assert store.faults() == ["data.h5 or data.h5.json is altered"]
    store.create()
    (tmp_path / "data.h5.json").write_bytes(b"{")
    assert store.faults() == ["data.h5 or data.h5.json is altered"]
    store.create()
    assert store.faults() == []


@pytest.mark.parametrize("error", [OSError, KeyError, RuntimeError, ValueError])
def test_a_damaged_hdf5_view_of_an_earlier_version_is_found(tmp_path, monkeypatch, error):
    store, _, _ = filled(tmp_path, "hdf5")
    (tmp_path / "data.h5.json").unlink()
    assert store.faults() == []

    def spoilt(*_args, **_kwargs):
        raise error("spoilt")

    monkeypatch.setattr(h5py, "File", spoilt)
    assert store.faults() == ["data.h5 is gone or no whole HDF5 file"]


def test_a_view_of_another_shape_is_found(tmp_path, backend):
    store, _, _ = filled(tmp_path, backend)
    filled(tmp_path, backend, rows=11)
    assert store.faults()


@pytest.mark.parametrize("size", [1, 4, 1024])
def test_few_images_make_a_small_chunk(tmp_path, size):
    store = make_store("zarr", tmp_path, (ArrayField("x", (), "float32", 0),), Cut(3, size))
    store.create()
    sums = store.write(0, {"x": np.ones(min(3, size), np.float32)})
    assert next(iter(sums.values())).bytes == 4 * min(3, size)
