"""Rows of one fingerprint are taken over from wherever they lie."""

import time

import numpy as np
import pytest

from a2pipe.cache.artifact import OK, PENDING, UNREADABLE, Artifact
from a2pipe.cache.catalog import Cache
from a2pipe.cache.layout import ArrayField


@pytest.fixture
def reads(monkeypatch):
    """The (folder, shard) of every shard read."""
    seen = []
    read = Artifact.read_shard

    def noting(self, shard, verify=True):
        seen.append((self.folder, shard))
        return read(self, shard, verify)

    monkeypatch.setattr(Artifact, "read_shard", noting)
    return seen


def test_rows_come_from_siblings_of_any_backend_and_cut(tmp_path, kit, reads):
    one = kit.make(tmp_path, n=10, start=0, shard_size=4, backend="zarr")
    two = kit.make(tmp_path, n=10, start=8, shard_size=3, backend="hdf5")
    images = tuple(reversed(kit.digests(25)))
    gathered = Cache(tmp_path).gather(one.fingerprint, images)
    assert gathered.available == set(kit.digests(18))
    wanted = tuple(image for image in images if image in gathered.available)
    arrays, status = gathered.read(wanted)
    assert (status == OK).all()
    for name, array in kit.rows(wanted).items():
        assert arrays[name].tobytes() == array.tobytes()
    assert len(reads) == len(set(reads))
    assert {folder for folder, _ in reads} == {one.folder, two.folder}


def test_a_sibling_shard_is_read_once_over_many_reads(tmp_path, kit, reads):
    artifact = kit.make(tmp_path, n=20)
    images = tuple(np.random.default_rng(0).permutation(artifact.layout.images).tolist())
    gathered = Cache(tmp_path).gather(artifact.fingerprint, images)
    for start in range(0, 20, 3):
        part = images[start : start + 3]
        assert (gathered.read(part)[0]["box"] == kit.rows(part)["box"]).all()
    assert len(reads) == 5


def test_little_memory_gives_the_same_rows(tmp_path, kit):
    from a2pipe.cache.gather import Gathered

    artifact = kit.make(tmp_path, n=20)
    gathered = Gathered([artifact], artifact.layout.images, kept_bytes=0)
    for image in artifact.layout.images:
        assert (gathered.read([image])[0]["box"] == kit.rows((image,))["box"]).all()


def test_only_finished_shards_are_offered(tmp_path, kit):
    artifact = kit.make(tmp_path, done=False)
    kit.fill(artifact, [1])
    gathered = Cache(tmp_path).gather(artifact.fingerprint, kit.digests(10))
    assert gathered.available == set(kit.digests(10)[4:8])


def test_the_own_folder_and_other_fingerprints_are_left_out(tmp_path, kit):
    artifact = kit.make(tmp_path)
    kit.make(tmp_path, size=65)
    cache = Cache(tmp_path)
    assert not cache.gather(artifact.fingerprint, kit.digests(10), artifact.folder).available
    assert not cache.gather("0" * 32, kit.digests(10)).available


def test_bad_rows_are_not_taken_over(tmp_path, kit):
    artifact = kit.make(tmp_path, n=4, done=False)
    images = artifact.layout.images
    artifact.commit(0, kit.rows(images), np.array([OK, UNREADABLE, OK, OK]))
    gathered = Cache(tmp_path).gather(artifact.fingerprint, images)
    assert gathered.available == {images[0], images[2], images[3]}


def test_damaged_rows_are_pending_not_wrong(tmp_path, kit, backend):
    artifact = kit.make(tmp_path, backend=backend)
    gathered = Cache(tmp_path).gather(artifact.fingerprint, kit.digests(10))
    kit.flip(artifact.folder / next(iter(artifact.ledger.read(1).files)))
    artifact.discard(2)
    arrays, status = gathered.read(kit.digests(10))
    assert status.tolist() == [OK] * 4 + [PENDING] * 6
    assert np.isnan(arrays["embedding"][4:]).all()


def test_a_sibling_with_altered_images_is_passed_over(tmp_path, kit):
    artifact = kit.make(tmp_path)
    kit.flip(artifact.folder / "images.npy")
    assert not Cache(tmp_path).gather(artifact.fingerprint, kit.digests(10)).available


def test_unknown_images_are_pending(tmp_path, kit):
    artifact = kit.make(tmp_path)
    arrays, status = Cache(tmp_path).gather(artifact.fingerprint, ()).read(kit.digests(2, 90))
    assert status.tolist() == [PENDING, PENDING]
    assert arrays["embedding"].shape == (2, 3)


def test_fifty_thousand_images_are_gathered_in_no_time(tmp_path, kit, reads):
    images = kit.digests(50_000)
    field = [ArrayField("n", (), "int32", -1)]
    cache = Cache(tmp_path)
    artifact = cache.create(kit.Probe(1), field, images)
    for shard in artifact.missing():
        rows = range(50_000)[artifact.layout.rows_of(shard)]
        artifact.commit(shard, {"n": np.array(rows, np.int32)}, np.ones(len(rows), np.uint8))
    order = np.random.default_rng(0).permutation(50_000)
    shuffled = tuple(images[i] for i in order)
    start = time.process_time()
    arrays, _ = cache.gather(artifact.fingerprint, shuffled).read(shuffled)
    assert time.process_time() - start < 5
    assert (arrays["n"] == order).all()
    assert len(reads) == 49
