"""Stopped politely: one line, the right exit code, and committed shards are kept."""

import signal

import pytest

from .conftest import assert_sound, markers

INTERRUPTED = (signal.SIGINT, 130, "a2pipe: Interrupted; what was committed is kept.")
TERMINATED = (signal.SIGTERM, 143, "a2pipe: Terminated; what was committed is kept.")


@pytest.mark.parametrize(
    ("backend", "command", "stop"),
    [("zarr", "build-matrix", INTERRUPTED), ("hdf5", "run", TERMINATED)],
    indirect=["backend"],
    ids=["interrupted", "terminated"],
)
def test_a_signal_ends_the_run_and_the_next_completes_it(launch, study, tmp_path, command, stop):
    cache, out = tmp_path / "cache", tmp_path / "out"
    number, code, line = stop
    stopped = launch(command, study.experiment, "--quiet", "--cache", cache)
    stopped.signal_when(lambda: markers(cache) >= 20, number)
    assert (stopped.wait(), stopped.err.strip(), stopped.out) == (code, line, "")
    assert study.markers > markers(cache) >= 20
    assert not list(cache.rglob("*.tmp"))
    assert_sound(cache)
    build = launch("build-matrix", study.experiment, "--cache", cache, "--out", out)
    assert build.wait() == 0
    study.assert_given(cache, out)


@pytest.mark.parametrize("stop", [INTERRUPTED, TERMINATED], ids=["interrupted", "terminated"])
@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
@pytest.mark.parametrize("folder", ["experiments", "fits"])
def test_a_signal_before_and_after_the_shards(launch, small, tmp_path, stop, folder):
    cache = tmp_path / "cache"
    number, code, line = stop
    stopped = launch("build-matrix", small.experiment, "--quiet", "--cache", cache)
    stopped.signal_when((cache / folder).exists, number)
    assert (stopped.wait(), stopped.err.strip(), stopped.out) == (code, line, "")
    assert_sound(cache)
