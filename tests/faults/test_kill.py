"""Killed at any instant, the cache holds nothing wrong, and the next run completes it, bit for bit."""

import numpy as np
import pytest

from .conftest import arrays, assert_sound, markers, results

KILLS = 10


@pytest.fixture()
def undisturbed(launch, experiment, tmp_path):
    """The arrays and the matrix of a run that nothing disturbs, in a cache of its own."""
    command = launch("build-matrix", experiment, "--cache", tmp_path / "a", "--out", tmp_path / "b")
    assert command.wait() == 0
    return arrays(tmp_path / "a"), results(tmp_path / "b")


def test_kill_9_ten_times_at_random_instants(launch, experiment, undisturbed, tmp_path, backend):
    cache, out = tmp_path / "cache", tmp_path / "out"
    build = ("build-matrix", experiment, "--cache", cache, "--out", out)
    whole = markers(tmp_path / "a")
    random = np.random.default_rng(2 if backend == "zarr" else 3)
    for goal in np.sort(random.integers(0, whole, KILLS)).tolist():
        command = launch(*build)
        seconds = random.uniform(0, 0.02)
        assert command.kill_when(lambda goal=goal: markers(cache) >= goal, seconds) == -9
        assert_sound(cache)
    assert launch(*build).wait() == 0
    assert (arrays(cache), results(out)) == undisturbed
    assert_sound(cache)


def test_kill_9_while_heads_are_fitted_and_the_report_is_written(
    launch, experiment, undisturbed, tmp_path
):
    cache, out = tmp_path / "cache", tmp_path / "out"
    build = ("build-matrix", experiment, "--cache", cache, "--out", out)
    assert launch("run", experiment, "--cache", cache).wait() == 0
    for folder in (cache / "localization", cache / "fits", cache / "runs"):
        before = set(folder.glob("*"))
        changed = lambda folder=folder, before=before: set(folder.glob("*")) > before  # noqa: E731
        assert launch(*build).kill_when(changed) == -9
        assert_sound(cache)
    assert launch(*build).wait() == 0
    assert (arrays(cache), results(out)) == undisturbed
    assert_sound(cache)


def test_kill_9_at_chosen_steps_of_writing(launch, small, tmp_path, backend):
    """Between creating, flushing and renaming a file, of a shard, of a record, of the report."""
    first = (tmp_path / "first" / "cache", tmp_path / "first" / "out")
    assert launch("build-matrix", small, "--cache", first[0], "--out", first[1]).wait() == 0
    random = np.random.default_rng(4 if backend == "zarr" else 5)
    disk = tmp_path / "disk"
    build = ("build-matrix", small, "--cache", disk / "cache", "--out", disk / "out")
    steps = [*random.integers(0, 90, 8).tolist(), 8, 10, 12, 14]
    codes = [launch(*build, fault="kill", within=str(disk), step=step).wait() for step in steps]
    assert codes.count(-9) >= 8
    assert_sound(disk / "cache")
    assert launch(*build).wait() == 0
    assert arrays(disk / "cache") == arrays(first[0])
    assert results(disk / "out") == results(first[1])
    assert_sound(disk / "cache")
