"""Both stores give back, bit for bit, what they were given, also to plain zarr and h5py."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from a2pipe.cache.layout import ArrayField, Cut
from a2pipe.cache.stores.protocol import make_store

from .stores import filled, part

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


def test_shards_still_to_come_show_as_the_fill_value(tmp_path, backend):
    store, cut, arrays = filled(tmp_path, backend)
    store.write(1, part(arrays, cut.rows_of(1)))
    x, n = store.open("x")[...], store.open("n")[...]
    assert np.isnan(x[:4]).all()
    assert (x[4:8] == arrays["x"][4:8]).all()
    assert (n[:4] == -1).all()
    assert np.isnan(x[8:]).all()


def test_a_chunk_that_equals_the_fill_value_is_stored(tmp_path, backend):
    store, _, _ = filled(tmp_path, backend)
    empty = {"x": np.full((4, 2), np.nan, np.float32), "n": np.full(4, -1, np.int32)}
    sums = store.write(0, empty)
    assert all((tmp_path / name).stat().st_size == total.bytes > 0 for name, total in sums.items())


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


def test_a_view_of_another_shape_is_found(tmp_path, backend):
    store, _, _ = filled(tmp_path, backend)
    filled(tmp_path, backend, rows=11)
    assert store.faults()
