"""Damage to what is stored: all is found, only it is dropped, and just that is computed again."""

import json
import shutil

import numpy as np
import pytest

from a2pipe.cache.catalog import Cache
from a2pipe.cache.verify import verify

from .conftest import arrays, assert_sound, results

FLIPS = 60


@pytest.fixture
def cache(small, tmp_path):
    """A copy of the complete cache of a small study."""
    return shutil.copytree(small.experiment.parent / "cache", tmp_path / "cache")


def flip(path, random):
    """Change one byte at random to another, and return what the file was."""
    before = path.read_bytes()
    after = bytearray(before)
    after[random.integers(len(after))] ^= random.integers(1, 256)
    path.write_bytes(after)
    return before


def data_files(cache):
    """Everything that markers name: artifact, shard and file."""
    return [
        (artifact, shard, artifact.folder / name)
        for artifact in Cache(cache).artifacts()
        for shard, marker in sorted(artifact.markers().items())
        for name in marker.files
    ]


def shard_of(cache, stage, shard):
    """A file of one shard of the first artifact of a stage."""
    return next(
        path for artifact, n, path in data_files(cache) if (artifact.stage, n) == (stage, shard)
    )


def test_any_byte_of_any_chunk(cache):
    random, files = np.random.default_rng(11), data_files(cache)
    for _ in range(FLIPS):
        artifact, shard, path = files[random.integers(len(files))]
        before = flip(path, random)
        (problem,) = verify(Cache(cache), deep=True)
        assert (problem.folder, problem.shard) == (artifact.folder, shard)
        assert path.relative_to(artifact.folder).as_posix() in problem.what
        path.write_bytes(before)
    assert_sound(cache)


def test_a_marker_torn_at_every_length(cache):
    artifact = Cache(cache).artifacts()[0]
    path = artifact.ledger.path(1)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert artifact.missing() == [1], length
    (problem,) = verify(Cache(cache))
    assert (problem.folder, problem.shard) == (artifact.folder, 1)
    path.write_bytes(whole)
    assert artifact.complete


def test_any_byte_of_a_marker(cache):
    """A changed byte is found, or changes nothing that the marker says."""
    artifact, random = Cache(cache).artifacts()[0], np.random.default_rng(12)
    path, said = artifact.ledger.path(0), artifact.ledger.read(0)
    for _ in range(FLIPS):
        before = flip(path, random)
        assert artifact.ledger.read(0) in (None, said)
        path.write_bytes(before)


@pytest.mark.parametrize("damage", ["torn.json", "torn.npz", "flipped.json", "flipped.npz"])
@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
def test_a_damaged_record_is_fitted_again_and_nothing_else(launch, small, cache, tmp_path, damage):
    how, suffix = damage.split(".")
    (path,) = cache.glob(f"fits/*.{suffix}")
    whole = path.read_bytes()
    middle = len(whole) // 2
    end = b"" if how == "torn" else bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes(whole[:middle] + end)
    (problem,) = verify(Cache(cache))
    assert problem.folder == path.with_suffix(".json")
    located = {p: p.stat().st_mtime_ns for p in cache.glob("localization/*")}
    build = launch("build-matrix", small.experiment, "--cache", cache, "--out", tmp_path / "out")
    assert build.wait() == 0
    run = json.loads((tmp_path / "out" / "matrix.json").read_text())["run"]
    assert (run["forward_passes_total"], run["images_decoded"]) == (0, 0)
    assert results(tmp_path / "out") == small.results
    assert {p: p.stat().st_mtime_ns for p in cache.glob("localization/*")} == located
    assert_sound(cache)


def test_repair_for_an_experiment_computes_just_what_was_damaged(launch, small, cache):
    """A flipped byte of an embedding in one shard, a torn marker of a box in the other."""
    flip(shard_of(cache, "embeddings", 0), np.random.default_rng(13))
    boxes = Cache(cache).artifacts("boxes")[0]
    boxes.ledger.path(1).write_bytes(b"{")
    untouched = {
        path: path.stat().st_mtime_ns
        for artifact, shard, path in data_files(cache)
        if (artifact.stage, shard) not in (("embeddings", 0), ("boxes", 1))
    }
    repair = ("cache", "verify", "--deep", "--repair", "--experiment", small.experiment)
    done = launch(*repair, "--cache", cache)
    assert done.wait() == 0, done.err
    assert "computed again: 2 of 2, with 4 forward passes" in done.out
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched
    small.assert_given(cache)
    again = launch(*repair, "--cache", cache)
    assert (again.wait(), again.out) == (0, "no damage found\n")


def test_repair_leaves_alone_what_was_not_computed_yet(launch, small, cache):
    """An experiment that is half done is not finished by a repair."""
    for artifact in Cache(cache).artifacts():
        artifact.discard(1)
    flip(shard_of(cache, "attention", 0), np.random.default_rng(14))
    repair = ("cache", "verify", "--deep", "--repair", "--experiment", small.experiment)
    done = launch(*repair, "--cache", cache, "--json")
    assert done.wait() == 0, done.err
    (problem,) = json.loads(done.out)
    assert (problem["shard"], problem["computed"]) == (0, True)
    assert [artifact.missing() for artifact in Cache(cache).artifacts()] == [[1]] * 3


def test_repair_without_an_experiment_drops_and_the_next_run_computes(launch, small, cache):
    flip(shard_of(cache, "embeddings", 1), np.random.default_rng(15))
    done = launch("cache", "verify", "--deep", "--repair", "--cache", cache)
    assert (done.wait(), done.err) == (0, "")
    assert done.out.endswith("computed again: 0 of 1, with 0 forward passes\n")
    run = launch("run", small.experiment, "--cache", cache)
    assert (run.wait(), "images: 4 of 4" in run.err) == (0, True)
    small.assert_given(cache)


def test_an_experiment_without_repair_is_refused(launch, small, cache):
    before = arrays(cache)
    done = launch("cache", "verify", "--experiment", small.experiment, "--cache", cache)
    assert done.wait() == 2
    assert "give --repair with it" in done.err
    assert arrays(cache) == before
