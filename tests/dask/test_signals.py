"""Stopped politely: own workers are stopped with the run, foreign ones go on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import PATIENCE, markers, when

pytestmark = pytest.mark.slow
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from a2pipe.cli import main\n"
    "if __name__ == '__main__':\n"
    "    main()\n"
)


def run_until(ready, number, whole_group, folder, *argv):
    """Run a command in a process group of its own, send a signal once `ready`; code and stderr."""
    (folder / "main.py").write_text(MAIN)
    command = [sys.executable, "main.py", *map(str, argv)]
    process = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    send = os.killpg if whole_group else os.kill
    thread = when(lambda: ready() or process.poll() is not None, lambda: send(process.pid, number))
    _, err = process.communicate(timeout=PATIENCE)
    thread.join()
    return process.returncode, err, process.pid


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
    assert group_of(leader) == []


def test_sigterm_takes_back_what_no_worker_began_and_leaves_the_cluster(
    study, cluster, client, tmp_path
):
    cache = tmp_path / "cache"
    address = cluster.scheduler_address
    code, err, _ = run_until(
        *(lambda: markers(cache) >= 4, signal.SIGTERM, False, tmp_path),
        *("run", study.experiment, "--cache", cache, "--scheduler", address, "--quiet"),
    )
    assert (code, err.lstrip()) == (143, "a2pipe: Terminated; what was committed is kept.\n")
    assert len(client.run(os.getpid)) == 2
    assert not any(client.processing().values())
