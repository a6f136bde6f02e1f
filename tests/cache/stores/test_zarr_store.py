"""What the Zarr store writes is plain Zarr: unsharded, one chunk a shard."""

import numpy as np
import pytest
import zarr

from a2pipe.cache.layout import ArrayField, Cut
from a2pipe.cache.stores.protocol import make_store

from .stores import filled, part


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


@pytest.mark.parametrize("size", [1, 4, 1024])
def test_few_images_make_a_small_chunk(tmp_path, size):
    store = make_store("zarr", tmp_path, (ArrayField("x", (), "float32", 0),), Cut(3, size))
    store.create()
    sums = store.write(0, {"x": np.ones(min(3, size), np.float32)})
    assert next(iter(sums.values())).bytes == 4 * min(3, size)
