"""Asking for an executor: what is wrong is said in one sentence, before any image is looked at."""

import os
import socket
import sys
import threading

import pytest

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.pipeline.cluster.choose import make_executor
from a2pipe.pipeline.cluster.dask import clusters as dask_where
from a2pipe.pipeline.cluster.dask.clusters import LocalWorkers
from a2pipe.pipeline.cluster.dask.device import device_of
from a2pipe.pipeline.experiment.schema import RunSection
from a2pipe.pipeline.shards.local import LocalExecutor

COMMANDS = ("extract-attn", "select-crops", "embed-crops", "run", "build-matrix")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_computes_takes_one_of_three_flags(name, command):
    found = command(name, "none.toml", "--scheduler", "tcp://x:1", "--local-workers", 2)
    assert found.code == 2
    assert "Give one of --scheduler, --local-workers and --cluster." in found.err


def test_a_scheduler_that_does_not_answer(command, monkeypatch):
    monkeypatch.setattr(dask_where, "SECONDS_TO_ANSWER", 0.5)
    found = command("run", "none.toml", "--scheduler", f"tcp://127.0.0.1:{free_port()}")
    assert found.code == 1
    assert found.err.startswith("a2pipe: No Dask scheduler answers at tcp://127.0.0.1:")
    assert found.err.count("\n") == 1


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:port", "nowhere"])
def test_an_address_that_is_none(address, command):
    found = command("run", "none.toml", "--scheduler", address)
    assert found.code == 1
    assert found.err.startswith(f"a2pipe: No Dask scheduler answers at {address} (")


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_answers_but_is_no_scheduler(words, monkeypatch):
    monkeypatch.setattr(dask_where, "SECONDS_TO_ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            connection.sendall(words)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(A2pipeError, match="No Dask scheduler answers") as raised:
            dask_where.RunningWorkers(f"127.0.0.1:{server.getsockname()[1]}").checked()
    assert "\n" not in str(raised.value)


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


def test_no_place_is_this_process():
    assert isinstance(make_executor(), LocalExecutor)


def test_several_places_are_refused():
    with pytest.raises(UsageError, match="Give one of scheduler, local_workers and cluster"):
        make_executor(scheduler="tcp://x:1", local_workers=2)


# --- GPUs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "visible", "device"),
    [
        ("0", "", "0"),
        ("3", "", "3"),
        ("1", "4,6", "6"),
        ("cluster-7-0", "4,6", "4"),
        ("cluster-7-1", "GPU-a,GPU-b", "GPU-b"),
        ("cluster-7", "2", "2"),
    ],
)
def test_each_worker_has_the_device_of_its_number(name, visible, device):
    assert device_of(name, visible) == device


def test_no_more_local_workers_than_gpus(monkeypatch, tmp_path):
    monkeypatch.setattr(dask_where, "_gpus", lambda _: 2)
    with (
        pytest.raises(UsageError, match="There are 2 GPUs for 3 local workers"),
        LocalWorkers(3).connect(RunSection(), tmp_path),
    ):
        pass


def test_one_named_gpu_is_not_for_many(tmp_path):
    with (
        pytest.raises(UsageError, match="write --device cuda, not cuda:1"),
        LocalWorkers(2).connect(RunSection(device="cuda:1"), tmp_path),
    ):
        pass


def test_local_workers_have_a_gpu_each(monkeypatch, tmp_path):
    """Seen from within the workers, on a machine of two GPUs (which need not be there)."""
    monkeypatch.setattr(dask_where, "_gpus", lambda _: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    with LocalWorkers(2).connect(RunSection(), tmp_path) as connection:
        connection.client.wait_for_workers(2)
        seen = connection.client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
        info = connection.client.scheduler_info()["workers"]
        assert sorted(seen.values()) == ["5", "7"]
        assert [worker["resources"] for worker in info.values()] == [{"GPU": 1}] * 2


# --- what Dask would change ---------------------------------------------------------------------


def test_local_workers_share_the_cores_and_keep_the_memory_they_free(monkeypatch, tmp_path):
    monkeypatch.setattr(dask_where, "_gpus", lambda _: 0)
    monkeypatch.setattr(dask_where, "cores", lambda: 6)
    for name in ("OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    with LocalWorkers(2).connect(RunSection(), tmp_path) as connection:
        connection.client.wait_for_workers(2)
        threads = connection.client.run(os.getenv, "OMP_NUM_THREADS")
        kept = connection.client.run(os.getenv, "MALLOC_TRIM_THRESHOLD_")
    assert connection.decoders == 3
    assert [*threads.values()] == ["3", "3"]
    assert [*kept.values()] == [None, None]
    assert "OMP_NUM_THREADS" not in os.environ
