"""Ctrl-C: own workers end with the run."""

import signal
import time
from pathlib import Path

import pytest

from .conftest import markers, run_until

pytestmark = pytest.mark.slow


def group_of(leader):
    """The processes that are left of a group."""
    left = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(group) == leader and state != "Z":
            left.append(int(folder.name))
    return left


def test_ctrl_c_ends_the_run_and_its_workers(study, tmp_path):
    cache = tmp_path / "cache"
    code, err, leader = run_until(
        *(lambda: markers(cache) >= 4, signal.SIGINT, True, tmp_path),
        *("run", study.experiment, "--cache", cache, "--local-workers", 1, "--quiet"),
    )
    assert (code, err.lstrip()) == (130, "a2pipe: Interrupted; what was committed is kept.\n")
    assert markers(cache) < 48
    end = time.monotonic() + 30  # Python's own helper processes notice a little later
    while group_of(leader) and time.monotonic() < end:
        time.sleep(0.1)
    assert group_of(leader) == []
