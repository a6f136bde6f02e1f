"""Connecting to a scheduler and starting local workers: what is wrong is said in one sentence."""

import os
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from distributed import Status

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.pipeline.cluster.dask import clusters
from a2pipe.pipeline.cluster.dask.clusters import local_workers
from a2pipe.pipeline.experiment.sections import RunSection


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_scheduler_that_does_not_answer(command, monkeypatch):
    monkeypatch.setattr(clusters, "SECONDS_TO_ANSWER", 0.5)
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
    monkeypatch.setattr(clusters, "SECONDS_TO_ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            connection.sendall(words)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(A2pipeError, match="No Dask scheduler answers") as raised:
            clusters.check_scheduler(f"127.0.0.1:{server.getsockname()[1]}")
    assert "\n" not in str(raised.value)


# --- GPUs ---------------------------------------------------------------------------------------


def test_no_more_local_workers_than_gpus(monkeypatch, tmp_path):
    monkeypatch.setattr(clusters, "_gpus", lambda _: 2)
    with (
        pytest.raises(UsageError, match="There are 2 GPUs for 3 local workers"),
        local_workers(3, RunSection(), tmp_path),
    ):
        pass


def test_one_named_gpu_is_not_for_many(tmp_path):
    with (
        pytest.raises(UsageError, match="write --device cuda, not cuda:1"),
        local_workers(2, RunSection(device="cuda:1"), tmp_path),
    ):
        pass


def test_local_workers_have_a_gpu_each(monkeypatch, tmp_path):
    """Seen from within the workers, on a machine of two GPUs (which need not be there)."""
    monkeypatch.setattr(clusters, "_gpus", lambda _: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    with local_workers(2, RunSection(), tmp_path) as connection:
        connection.client.wait_for_workers(2)
        seen = connection.client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
        info = connection.client.scheduler_info()["workers"]
        assert sorted(seen.values()) == ["5", "7"]
        assert [worker["resources"] for worker in info.values()] == [{"GPU": 1}] * 2


# --- what Dask would change ---------------------------------------------------------------------


def test_local_workers_share_the_cores_and_keep_the_memory_they_free(monkeypatch, tmp_path):
    monkeypatch.setattr(clusters, "_gpus", lambda _: 0)
    monkeypatch.setattr(clusters, "cores", lambda: 6)
    for name in ("OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    with local_workers(2, RunSection(), tmp_path) as connection:
        connection.client.wait_for_workers(2)
        threads = connection.client.run(os.getenv, "OMP_NUM_THREADS")
        kept = connection.client.run(os.getenv, "MALLOC_TRIM_THRESHOLD_")
    assert connection.decoders == 3
    assert [*threads.values()] == ["3", "3"]
    assert [*kept.values()] == [None, None]
    assert "OMP_NUM_THREADS" not in os.environ


# --- scripts ------------------------------------------------------------------------------------


def test_a_worker_that_imports_the_script_starts_no_workers(monkeypatch, tmp_path):
    monkeypatch.setattr(clusters.current_process(), "_inheriting", True, raising=False)
    with (
        pytest.raises(UsageError, match='under `if __name__ == "__main__":`'),
        local_workers(2, RunSection(device="cpu"), tmp_path),
    ):
        pass


def test_workers_that_end_as_they_start_are_told(monkeypatch, tmp_path):
    nannies = {0: SimpleNamespace(status=Status.running), 1: SimpleNamespace(status=Status.running)}

    @contextmanager
    def own_cluster(_):
        yield None, SimpleNamespace(workers=nannies, scale=lambda _: None)

    monkeypatch.setattr(clusters, "own_cluster", own_cluster)
    with local_workers(2, RunSection(device="cpu"), tmp_path) as connection:
        assert connection.mend() == ""
        nannies[1].status = Status.failed
        assert connection.mend().startswith("they end as they start.")
