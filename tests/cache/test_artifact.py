"""What a committed shard is, and what counts as one."""

import errno
import os
import pickle
import re
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from a2pipe.cache.artifact import NOT_FINITE, OK, PENDING, UNREADABLE, Artifact
from a2pipe.cache.ledger import BadRow
from a2pipe.errors import A2pipeError, DamagedError, NotCachedError
from a2pipe.files import sha256_file


def first_file(artifact, shard):
    name = next(iter(artifact.ledger.read(shard).files))
    return artifact.folder / name


def test_rows_come_back_as_they_were_committed(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    right = kit.rows(artifact.layout.images)
    assert artifact.complete
    for name in ("embedding", "box"):
        assert artifact.read(name).tobytes() == right[name].tobytes()
        assert artifact.read(name, verify=False).dtype == right[name].dtype
    assert artifact.read("status").tolist() == [OK] * 10
    assert artifact.read_shard(2)["box"].tolist() == right["box"][8:].tolist()


def test_rows_come_in_the_order_asked_for(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    wanted = tuple(artifact.layout.images[i] for i in (7, 0, 9, 7, 3))
    assert artifact.rows("box", wanted).tolist() == kit.rows(wanted)["box"].tolist()
    assert artifact.rows("box", ()).shape == (0, 4)


def test_an_artifact_opens_from_its_folder_alone(tmp_path, kit, backend):
    artifact = Artifact(kit.make(tmp_path, backend=backend).folder)
    assert artifact.stage == "probes"
    assert artifact.spec["size"] == 64
    assert artifact.fields == kit.FIELDS
    assert artifact.layout.images == kit.digests(10)
    assert artifact.nbytes == 10 * (12 + 16 + 1)


def test_shards_are_missing_until_they_are_committed(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend, done=False)
    assert artifact.missing() == [0, 1, 2]
    kit.fill(artifact, [1])
    assert artifact.missing() == [0, 2]
    assert not artifact.complete
    with pytest.raises(NotCachedError, match="not computed yet"):
        artifact.read("box")
    assert artifact.rows("box", artifact.layout.images[4:8]).shape == (4, 4)


def test_data_without_a_marker_do_not_count(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    artifact.ledger.path(1).unlink()
    assert artifact.missing() == [1]


def test_a_torn_marker_at_every_length_means_missing(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, n=4, backend=backend)
    whole = artifact.ledger.path(0).read_bytes()
    for length in range(len(whole)):
        artifact.ledger.path(0).write_bytes(whole[:length])
        assert artifact.missing() == [0]
    artifact.ledger.path(0).write_bytes(whole)
    assert artifact.complete


def test_a_truncated_or_absent_file_means_missing_and_is_mended_by_committing(
    tmp_path, kit, backend
):
    artifact = kit.make(tmp_path, backend=backend)
    path = first_file(artifact, 1)
    path.write_bytes(path.read_bytes()[:-1])
    assert artifact.missing() == [1]
    with pytest.raises(DamagedError, match=r"Shard 1 of .* is damaged"):
        artifact.read("embedding", verify=False)
    path.unlink()
    assert artifact.missing() == [1]
    kit.fill(artifact)
    assert artifact.read("box").tolist() == kit.rows(artifact.layout.images)["box"].tolist()


def test_a_flipped_bit_is_never_read_and_mended_by_discarding(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    kit.flip(first_file(artifact, 1))
    assert artifact.complete
    with pytest.raises(DamagedError, match=re.escape(f"Shard 1 of {artifact.folder} is damaged")):
        artifact.read_shard(1)
    with pytest.raises(DamagedError):
        artifact.read("embedding")
    artifact.discard(1)
    kit.fill(artifact)
    right = kit.rows(artifact.layout.images)
    assert artifact.read("embedding").tobytes() == right["embedding"].tobytes()


def test_every_stored_byte_is_under_a_checksum(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, n=2, shard_size=2, backend=backend)
    for name in artifact.ledger.read(0).files:
        path = artifact.folder / name
        for at in range(0, path.stat().st_size, 97 if backend == "hdf5" else 1):
            kit.flip(path, at)
            with pytest.raises(DamagedError):
                artifact.read_shard(0)
            kit.flip(path, at)
    assert artifact.read("status").tolist() == [OK, OK]


def test_bad_rows_hold_the_fill_value_and_their_reason(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend, done=False)
    images = artifact.layout.images[4:8]
    arrays = kit.rows(images)
    arrays["embedding"][2, 1] = np.inf
    given = {name: array.copy() for name, array in arrays.items()}
    told = BadRow(1, images[1], UNREADABLE, "truncated")
    artifact.commit(1, arrays, np.array([OK, UNREADABLE, OK, OK]), (told,), 1.0)
    assert all((arrays[name] == given[name]).all() for name in arrays)
    shard = artifact.read_shard(1)
    assert shard["status"].tolist() == [OK, UNREADABLE, NOT_FINITE, OK]
    assert np.isnan(shard["embedding"][1:3]).all()
    assert (shard["box"][1:3] == -1).all()
    assert shard["box"][3].tolist() == given["box"][3].tolist()
    assert artifact.bad_rows() == [
        BadRow(5, images[1], UNREADABLE, "truncated"),
        BadRow(6, images[2], NOT_FINITE, "the result is not finite"),
    ]


def test_the_marker_tells_cost_and_origin(tmp_path, kit):
    artifact = kit.make(tmp_path, done=False)
    arrays = kit.rows(artifact.layout.images[:4])
    marker, ours = artifact.commit(0, arrays, np.ones(4, np.uint8), (), 2.5, computed=1)
    assert ours
    assert (marker.seconds, marker.computed) == (2.5, 1)
    assert marker == artifact.ledger.read(0)
    assert all(sha256_file(artifact.folder / n) == total for n, total in marker.files.items())


def test_the_second_writer_changes_nothing(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    before = {p: p.read_bytes() for p in artifact.folder.rglob("*") if p.is_file()}
    kit.fill(artifact, [0, 1, 2])
    assert {p: p.read_bytes() for p in artifact.folder.rglob("*") if p.is_file()} == before


def test_who_commits_a_shard_that_is_done_is_told_that_it_was_in_vain(tmp_path, kit):
    artifact = kit.make(tmp_path)
    again = artifact.commit(0, kit.rows(artifact.layout.images[:4]), np.ones(4, np.uint8))
    assert again == (artifact.ledger.read(0), False)


def test_who_brings_back_a_lost_file_is_told_that_it_was_needed(tmp_path, kit):
    artifact = kit.make(tmp_path)
    (artifact.folder / next(iter(artifact.ledger.read(0).files))).unlink()
    _, ours = artifact.commit(0, kit.rows(artifact.layout.images[:4]), np.ones(4, np.uint8))
    assert ours


def test_a_late_writer_with_other_bytes_leaves_a_shard_that_holds_together(
    tmp_path, kit, monkeypatch, backend
):
    """Two devices may differ in the last bit; whoever is last, marker and data agree."""
    one, two = kit.make(tmp_path, backend=backend, done=False), kit.make(tmp_path, backend=backend)
    two.discard(0)
    arrays = kit.rows(two.layout.images[:4])
    other = {**arrays, "embedding": arrays["embedding"] * 2}
    write = type(one.store).write

    def write_and_be_overtaken(store, shard, given):
        sums = write(store, shard, given)
        monkeypatch.setattr(type(one.store), "write", write)
        two.commit(0, other, np.ones(4, np.uint8))
        return sums

    monkeypatch.setattr(type(one.store), "write", write_and_be_overtaken)
    marker, ours = one.commit(0, arrays, np.ones(4, np.uint8))
    assert (marker, ours) == (one.ledger.read(0), False)
    assert one.read_shard(0)["embedding"].tolist() == other["embedding"].tolist()


def test_a_marker_that_does_not_tell_what_lies_on_disk_is_replaced(
    tmp_path, kit, monkeypatch, backend
):
    """Another writer committed in between, but this one's bytes came to lie on top."""
    artifact = kit.make(tmp_path, backend=backend, done=False)
    arrays, ones = kit.rows(artifact.layout.images[:4]), np.ones(4, np.uint8)
    other = {**arrays, "embedding": arrays["embedding"] * 2}
    write = type(artifact.store).write

    def write_on_top(store, shard, given):
        monkeypatch.setattr(type(artifact.store), "write", write)
        artifact.commit(0, other, ones)
        return write(store, shard, given)

    monkeypatch.setattr(type(artifact.store), "write", write_on_top)
    artifact.commit(0, arrays, ones)
    assert artifact.read_shard(0)["embedding"].tolist() == arrays["embedding"].tolist()


def test_a_marker_that_names_other_files_means_missing(tmp_path, kit):
    artifact = kit.make(tmp_path)
    marker = artifact.ledger.read(0)
    artifact.ledger.write(replace(marker, files={}))
    assert artifact.missing() == [0]
    with pytest.raises(DamagedError, match="marker of shard 0"):
        artifact.read_shard(0)


def test_a_stale_marker_of_other_bytes_is_replaced(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    first_file(artifact, 0).unlink()
    arrays = kit.rows(artifact.layout.images[:4])
    arrays["embedding"] *= 2
    artifact.commit(0, arrays, np.ones(4, np.uint8))
    assert artifact.read_shard(0)["embedding"].tolist() == arrays["embedding"].tolist()


def test_data_are_on_disk_before_the_marker(tmp_path, kit, monkeypatch, backend):
    artifact = kit.make(tmp_path, backend=backend, done=False)
    monkeypatch.setattr(type(artifact.ledger), "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kit.fill(artifact, [0])
    monkeypatch.undo()
    assert artifact.missing() == [0, 1, 2]
    assert all((artifact.folder / name).exists() for name in artifact.store.files(0))


def interrupted(*_args):
    raise KeyboardInterrupt


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path, kit, monkeypatch, backend):
    artifact = kit.make(tmp_path, backend=backend, done=False)
    kit.fill(artifact, [0])
    before = artifact.read_shard(0)["box"].tolist()

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(A2pipeError, match="No space is left"):
        kit.fill(artifact, [1])
    monkeypatch.undo()
    assert artifact.missing() == [1, 2]
    assert artifact.read_shard(0)["box"].tolist() == before
    assert not list(artifact.folder.rglob("*.tmp"))
    assert kit.fill(artifact).complete


def test_arrays_that_do_not_fit_are_refused(tmp_path, kit):
    artifact = kit.make(tmp_path, done=False)
    right, ones = kit.rows(artifact.layout.images[:4]), np.ones(4, np.uint8)
    wrong = [
        {"embedding": right["embedding"]},
        {**right, "box": right["box"][:, :3]},
        {**right, "box": right["box"].astype(np.int64) + 2**40},
    ]
    for arrays in wrong:
        with pytest.raises(ValueError):
            artifact.commit(0, arrays, ones)
    with pytest.raises(TypeError):
        artifact.commit(0, {**right, "box": right["box"] + 0.5}, ones)
    with pytest.raises(ValueError, match="a committed row"):
        artifact.commit(0, right, np.array([OK, OK, OK, PENDING]))
    with pytest.raises(ValueError, match="has 4 rows"):
        artifact.commit(0, right, ones[:3])
    assert artifact.missing() == [0, 1, 2]


def test_unknown_arrays_and_images_are_one_sentence(tmp_path, kit):
    artifact = kit.make(tmp_path)
    with pytest.raises(NotCachedError, match="it has embedding, box, status"):
        artifact.read("attention")
    with pytest.raises(NotCachedError, match="not among the rows"):
        artifact.rows("box", ["0" * 32])


def test_it_opens_as_zarr_or_h5py_and_as_dask(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    right = kit.rows(artifact.layout.images)["embedding"]
    opened = artifact.open("embedding")
    assert type(opened).__module__.split(".")[0] == {"zarr": "zarr", "hdf5": "h5py"}[backend]
    assert (opened[2:7] == right[2:7]).all()
    lazy = artifact.dask("embedding")
    assert lazy.chunks == ((4, 4, 2), (3,))
    assert lazy.dtype == np.float32
    assert (lazy.compute() == right).all()


def test_dask_refuses_missing_shards_and_damaged_bytes(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    lazy = artifact.dask("embedding")
    kit.flip(first_file(artifact, 2))
    with pytest.raises(DamagedError):
        lazy.compute()
    artifact.discard(2)
    with pytest.raises(NotCachedError, match="lacks 1 shard"):
        artifact.dask("embedding")


def test_it_travels_to_another_process(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    copy = pickle.loads(pickle.dumps(artifact))
    assert copy.read("box").tolist() == artifact.read("box").tolist()


def test_altered_image_digests_are_refused(tmp_path, kit):
    artifact = kit.make(tmp_path)
    path = artifact.folder / "images.npy"
    for at in range(0, path.stat().st_size, 3):
        kit.flip(path, at)
        with suppress(DamagedError):
            assert Artifact(artifact.folder).layout.images == kit.digests(10)
        kit.flip(path, at)
    path.unlink()
    with pytest.raises(DamagedError, match=r"images\.npy is gone or altered"):
        _ = Artifact(artifact.folder).layout
