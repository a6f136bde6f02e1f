"""Killed at any instant, the cache holds nothing wrong; the next run completes it bit for bit."""

import json

import numpy as np
import pytest

from a2pipe.cache import gc
from a2pipe.cache.catalog import Cache

from .conftest import assert_sound, markers

KILLS = 10


def lacking(cache):
    """How many shards lack a part."""
    return len(set().union(*(artifact.missing() for artifact in Cache(cache).artifacts())))


def test_kill_9_ten_times_at_random_instants(launch, study, tmp_path, backend, monkeypatch):
    cache, out = tmp_path / "cache", tmp_path / "out"
    build = ("build-matrix", study.experiment, "--cache", cache, "--out", out)
    random = np.random.default_rng(2 if backend == "zarr" else 3)
    for goal in np.sort(random.integers(0, study.markers, KILLS)).tolist():
        seconds = random.uniform(0, 0.02)
        command = launch(*build)
        assert command.kill_when(lambda goal=goal: markers(cache) >= goal, seconds) == -9
        assert_sound(cache)
    left = lacking(cache)
    assert launch(*build).wait() == 0
    run = json.loads((out / "matrix.json").read_text())["run"]
    assert (run["shards_computed"], run["shards_in_vain"]) == (left, 0)
    monkeypatch.setattr(gc, "STRAY_AFTER", -1.0)
    assert all("temporary" in each.why for each in gc.gc(Cache(cache), apply=True))
    assert list(cache.rglob(".*")) == []
    study.assert_given(cache, out)


@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
def test_kill_9_while_crops_are_cut_from_originals(launch, originals, tmp_path):
    cache, out = tmp_path / "cache", tmp_path / "out"
    build = ("build-matrix", originals.experiment, "--cache", cache, "--out", out)
    random = np.random.default_rng(6)
    for goal in np.sort(random.integers(0, originals.markers, 5)).tolist():
        command = launch(*build)
        ready = lambda goal=goal: markers(cache) >= goal  # noqa: E731
        assert command.kill_when(ready, random.uniform(0, 0.02)) == -9
        assert_sound(cache)
    assert launch(*build).wait() == 0
    originals.assert_given(cache, out)


@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
def test_kill_9_while_heads_are_fitted_and_the_report_is_made(launch, study, tmp_path):
    cache, out = tmp_path / "cache", tmp_path / "out"
    build = ("build-matrix", study.experiment, "--cache", cache, "--out", out)
    for stage in ("localization", "fits", "fits"):
        folder = cache / stage
        before = len(list(folder.glob("*")))
        more = lambda folder=folder, before=before: len(list(folder.glob("*"))) > before  # noqa: E731
        assert launch(*build).kill_when(more) == -9
        assert_sound(cache)
    runs = cache / "runs"
    assert launch(*build).kill_when(lambda: any(runs.glob("*.json"))) == -9
    assert launch(*build).wait() == 0
    study.assert_given(cache, out)


def test_kill_9_between_creating_flushing_and_renaming(launch, small, tmp_path, backend):
    """At chosen steps of writing folders, headers, shards, records and the report."""
    random = np.random.default_rng(4 if backend == "zarr" else 5)
    disk = tmp_path / "disk"
    build = ("build-matrix", small.experiment, "--cache", disk / "cache", "--out", disk / "out")
    steps = [*random.integers(0, 90, 8).tolist(), 8, 10, 12, 14]
    codes = [launch(*build, fault="kill", within=str(disk), step=step).wait() for step in steps]
    assert codes.count(-9) >= 8
    assert_sound(disk / "cache")
    assert launch(*build).wait() == 0
    small.assert_given(disk / "cache", disk / "out")
