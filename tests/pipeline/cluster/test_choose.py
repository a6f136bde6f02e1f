"""Asking for an executor: what is wrong is said in one sentence, before any image is looked at."""

import subprocess
import sys

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.cluster.choose import make_executor
from a2pipe.pipeline.shards.gpus import devices
from a2pipe.pipeline.shards.gpus.executor import GpuExecutor
from a2pipe.pipeline.shards.local import LocalExecutor

COMMANDS = ("extract-attn", "select-crops", "embed-crops", "run", "build-matrix")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_computes_takes_one_of_three_flags(name, command):
    found = command(name, "none.toml", "--scheduler", "tcp://x:1", "--local-workers", 2)
    assert found.code == 2
    assert "Give one of --scheduler, --local-workers and --cluster." in found.err


def test_a_cluster_file_that_is_missing(command, tmp_path):
    found = command("run", "none.toml", "--cluster", tmp_path / "none.toml")
    assert found.code == 2
    assert "cannot be read" in found.err


@pytest.mark.parametrize("missing", ["distributed", "dask_jobqueue"])
def test_without_the_extra(missing, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"run `pip install a2pipe\[cluster\]`") as raised:
        make_executor(cluster=tmp_path / "x.toml")
    assert missing in str(raised.value)


def test_jobs_leave_ctrl_c_what_it_does():
    program = (
        "import signal; from a2pipe.pipeline.cluster.choose import _require_dask; "
        "_require_dask(jobs=True); signal.raise_signal(signal.SIGINT)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "KeyboardInterrupt" in found.stderr


def test_no_place_is_this_process():
    assert isinstance(make_executor(), LocalExecutor)


def test_gpus_are_devices_of_this_process(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: 3)
    assert make_executor(gpus=[0, 2]) == GpuExecutor(("cuda:0", "cuda:2"))
    with pytest.raises(UsageError, match="There are not 4 GPUs"):
        make_executor(gpus=4)


def test_several_places_are_refused():
    with pytest.raises(UsageError, match="Give one of scheduler, local_workers, cluster and gpus"):
        make_executor(scheduler="tcp://x:1", local_workers=2)
