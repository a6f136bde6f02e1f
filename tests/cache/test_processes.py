"""Several processes on one artifact, and processes that are killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from a2pipe.cache.artifact import Artifact
from a2pipe.cache.catalog import Cache
from a2pipe.cache.verify import verify

WORKER = Path(__file__).with_name("worker.py")


def launch(root, backend, n, start):
    command = [sys.executable, str(WORKER), str(root), backend, str(n), str(start)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def assert_right(artifact, kit):
    for name, array in kit.rows(artifact.layout.images).items():
        assert artifact.read(name).tobytes() == array.tobytes()


def test_processes_that_make_and_commit_the_same_artifact_do_no_harm(tmp_path, kit, backend):
    start = tmp_path / "start"
    workers = [launch(tmp_path / "cache", backend, 40, start) for _ in range(3)]
    start.touch()
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    (artifact,) = Cache(tmp_path / "cache").artifacts()
    assert artifact.complete
    assert_right(artifact, kit)
    assert verify(Cache(tmp_path / "cache"), deep=True) == []
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_a_killed_writer_costs_only_the_shard_in_flight(tmp_path, kit, backend):
    start = tmp_path / "start"
    start.touch()
    root = tmp_path / "cache"
    for delay in (0.0, 0.05, 0.15):
        worker = launch(root, backend, 200, start)
        time.sleep(delay)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        for artifact in Cache(root).artifacts():
            assert verify(Cache(root), deep=True) == []
            for shard in set(range(artifact.cut.shards)) - set(artifact.missing()):
                images = artifact.layout.images[artifact.layout.rows_of(shard)]
                assert (
                    artifact.read_shard(shard)["box"].tolist() == kit.rows(images)["box"].tolist()
                )
    whole = kit.make(root, n=200, backend=backend)
    assert_right(Artifact(whole.folder), kit)
