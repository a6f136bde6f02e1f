"""What the HDF5 store writes is plain HDF5, read without locks and never while it is damaged."""

import os

import h5py
import pytest

from .stores import filled, part


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
