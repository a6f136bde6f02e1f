"""Damage is found, and mended by dropping what is damaged and nothing else."""

import errno
import os

from a2pipe.cache.artifact import Artifact
from a2pipe.cache.catalog import Cache
from a2pipe.cache.records import Records
from a2pipe.cache.verify import verify
from a2pipe.files import FORMAT


def data_file(artifact, shard):
    return artifact.folder / next(iter(artifact.ledger.read(shard).files))


def test_a_sound_cache_has_no_problems(tmp_path, kit, backend):
    kit.make(tmp_path, backend=backend)
    kit.make(tmp_path, size=65, backend=backend, done=False)
    Records(tmp_path).write(kit.Probe(1), {}, {})
    assert verify(Cache(tmp_path), deep=True) == []


def test_a_flipped_bit_is_found_by_the_deep_check_and_mended(tmp_path, kit, backend):
    cache, artifact = Cache(tmp_path), kit.make(tmp_path, backend=backend)
    kit.flip(data_file(artifact, 1))
    assert verify(cache) == []
    (problem,) = verify(cache, deep=True)
    assert (problem.folder, problem.shard) == (artifact.folder, 1)
    assert "does not match its checksum" in problem.what
    assert artifact.complete
    assert verify(cache, deep=True, repair=True) == [problem]
    assert artifact.missing() == [1]
    kit.fill(artifact)
    assert verify(cache, deep=True) == []
    assert artifact.read("box").tolist() == kit.rows(kit.digests(10))["box"].tolist()


def test_truncated_and_absent_files_and_torn_markers_are_found(tmp_path, kit, backend):
    cache, artifact = Cache(tmp_path), kit.make(tmp_path, backend=backend)
    path = data_file(artifact, 0)
    path.write_bytes(path.read_bytes()[:-1])
    data_file(artifact, 1).unlink()
    marker = artifact.ledger.path(2)
    marker.write_bytes(marker.read_bytes()[:-1])
    artifact.ledger.path(9).write_bytes(b"")
    found = verify(cache, repair=True)
    assert [problem.shard for problem in found] == [0, 1, 2, 9]
    assert artifact.missing() == [0, 1, 2]
    assert verify(cache) == []


def test_a_damaged_view_is_made_anew(tmp_path, kit, backend):
    cache, artifact = Cache(tmp_path), kit.make(tmp_path, backend=backend)
    view = artifact.folder / {"zarr": "data.zarr/box/zarr.json", "hdf5": "data.h5"}[backend]
    view.write_bytes(b"")
    (problem,) = verify(cache, repair=True)
    assert problem.shard is None
    assert verify(cache) == []
    assert artifact.open("box")[...].tolist() == kit.rows(kit.digests(10))["box"].tolist()


def test_a_damaged_header_or_image_list_is_dropped_and_the_shards_survive(tmp_path, kit):
    cache = Cache(tmp_path)
    for name in ("spec.json", "images.npy"):
        artifact = kit.make(tmp_path)
        kit.flip(artifact.folder / name, 300)
        (problem,) = verify(cache, repair=True)
        assert (problem.folder, problem.shard) == (artifact.folder, None)
        assert cache.artifacts() == []
        assert kit.make(tmp_path, done=False).complete


def test_damaged_records_are_found_and_dropped(tmp_path, kit):
    path = Records(tmp_path).write(kit.Probe(1), {"a": 1}, {})
    kit.flip(path.with_suffix(".npz"))
    (problem,) = verify(Cache(tmp_path), repair=True)
    assert problem.folder == path
    assert not path.exists()


def test_what_a_newer_version_wrote_is_told_and_left_alone(tmp_path, kit):
    path = kit.make(tmp_path).folder / "spec.json"
    path.write_text(f'{{"format": {FORMAT + 1}}}')
    record = Records(tmp_path).write(kit.Probe(1), {}, {})
    record.write_text(f'{{"format": {FORMAT + 1}}}')
    found = verify(Cache(tmp_path), repair=True)
    assert len(found) == 2
    assert all("newer version" in problem.what for problem in found)
    assert path.exists()
    assert record.exists()


def test_a_half_made_folder_is_no_problem(tmp_path, kit):
    artifact = kit.make(tmp_path)
    (artifact.folder / "spec.json").unlink()
    assert verify(Cache(tmp_path)) == []
    assert isinstance(kit.make(tmp_path), Artifact)


def test_markers_that_may_not_be_listed_are_a_problem_and_the_rest_is_checked(
    tmp_path, kit, monkeypatch
):
    shut, other = kit.make(tmp_path), kit.make(tmp_path, size=65)
    data_file(other, 1).unlink()
    iterdir = type(tmp_path).iterdir

    def listing(path):
        if path == shut.folder / "done":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return iterdir(path)

    monkeypatch.setattr(type(tmp_path), "iterdir", listing)
    found = {problem.folder: problem for problem in verify(Cache(tmp_path), repair=True)}
    assert "could not be listed" in found[shut.folder].what
    assert found[other.folder].shard == 1
    assert len(found) == 2
