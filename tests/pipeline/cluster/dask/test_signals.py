"""Ctrl-C: own workers end with the run."""

import signal
import time
from pathlib import Path

import pytest

from .conftest import markers, run_until

pytestmark = pytest.mark.slow


def group_of(leader):
    """The processes that are left of a group: numbers and command lines."""
    left = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            words = (folder / "cmdline").read_text()
        except OSError:
            continue
        # One that is ending has given back its memory, and its command line with it.
        if int(group) == leader and state != "Z" and words:
            left[int(folder.name)] = words
    return left


def test_ctrl_c_ends_the_run_and_its_workers(study, tmp_path):
    cache = tmp_path / "cache"
    code, err, leader = run_until(
        *(lambda: markers(cache) >= 4, signal.SIGINT, True, tmp_path),
        *("run", study.experiment, "--cache", cache, "--local-workers", 1, "--quiet"),
    )
    assert (code, err.lstrip()) == (130, "a2pipe: Interrupted; what was committed is kept.\n")
    assert markers(cache) < 48
    left = group_of(leader)
    assert all("resource_tracker" in words for words in left.values()), left
    end = time.monotonic() + 30  # which is Python's own, and ends when it notices
    while group_of(leader) and time.monotonic() < end:
        time.sleep(0.1)
    assert group_of(leader) == {}
