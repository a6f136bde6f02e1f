"""Exports are read back by plain numpy, pandas, zarr and h5py."""

import resource

import h5py
import numpy as np
import pandas as pd
import pytest
import zarr

from a2pipe.cache.export import export
from a2pipe.errors import A2pipeError, DamagedError, NotCachedError, UsageError


@pytest.fixture
def artifact(tmp_path, kit, backend):
    return kit.make(tmp_path / "cache", backend=backend)


@pytest.fixture
def right(kit):
    return kit.rows(kit.digests(10))


def test_numpy(tmp_path, kit, artifact, right):
    paths = export(artifact, tmp_path / "new" / "x.npy", "embedding")
    assert [p.name for p in paths] == ["x.npy", "x.images.npy", "x.status.npy"]
    assert np.load(paths[0], mmap_mode="r").tobytes() == right["embedding"].tobytes()
    assert tuple(np.load(paths[1]).tolist()) == kit.digests(10)
    assert np.load(paths[2]).tolist() == [1] * 10


def test_parquet(tmp_path, kit, artifact, right):
    (path,) = export(artifact, tmp_path / "x.parquet")
    table = pd.read_parquet(path)
    assert tuple(table["image"]) == kit.digests(10)
    assert table["status"].tolist() == [1] * 10
    for name in right:
        stacked = np.stack(table[name].to_list())
        assert stacked.dtype == right[name].dtype
        assert stacked.tolist() == right[name].tolist()


@pytest.mark.filterwarnings("error")
def test_zarr(tmp_path, kit, artifact, right):
    (path,) = export(artifact, tmp_path / "x.zarr")
    group = zarr.open_group(str(path), mode="r")
    assert tuple(group["image"][:]) == kit.digests(10)
    for name in right:
        assert group[name][:].tobytes() == right[name].tobytes()
    assert group.attrs["fingerprint"] == artifact.fingerprint


def test_hdf5(tmp_path, kit, artifact, right):
    (path,) = export(artifact, tmp_path / "x.h5")
    with h5py.File(path) as file:
        assert tuple(file["image"][:].astype(str)) == kit.digests(10)
        for name in right:
            assert file[name][:].tobytes() == right[name].tobytes()


def test_one_array_only(tmp_path, artifact):
    (path,) = export(artifact, tmp_path / "x.h5", "box")
    with h5py.File(path) as file:
        assert sorted(file) == ["box", "image", "status"]


def test_requests_that_cannot_be_met(tmp_path, artifact):
    with pytest.raises(UsageError, match=r"\.npy, \.parquet, \.zarr, \.h5"):
        export(artifact, tmp_path / "x.csv")
    with pytest.raises(UsageError, match="name one of embedding, box"):
        export(artifact, tmp_path / "x.npy")
    with pytest.raises(NotCachedError, match="has no array 'y'"):
        export(artifact, tmp_path / "x.npy", "y")
    (tmp_path / "x.status.npy").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        export(artifact, tmp_path / "x.npy", "box")
    artifact.discard(1)
    with pytest.raises(NotCachedError, match="lacks 1 shard"):
        export(artifact, tmp_path / "x.h5")


@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".zarr", ".h5"])
def test_a_failed_export_leaves_nothing(tmp_path, kit, artifact, suffix):
    kit.flip(artifact.folder / next(iter(artifact.ledger.read(2).files)))
    (tmp_path / "out").mkdir()
    with pytest.raises(DamagedError):
        export(artifact, tmp_path / "out" / f"x{suffix}", "embedding")
    left = {p.name for p in (tmp_path / "out").iterdir()}
    assert left <= {"x.images.npy", "x.status.npy"}


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, artifact):
    (tmp_path / "file").write_text("")
    with pytest.raises(A2pipeError, match="could not be written"):
        export(artifact, tmp_path / "file" / "x.h5")


def test_a_disk_that_is_full_is_one_sentence(tmp_path, artifact):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(A2pipeError, match="No space is left"):
            export(artifact, tmp_path / "x.npy", "box")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob("*x*"))
