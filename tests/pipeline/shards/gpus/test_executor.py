"""Several processes on one machine: the bits and the counts of one, whatever becomes of them."""

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.pipeline.shards.gpus import devices
from a2pipe.pipeline.shards.gpus.executor import GpuExecutor
from a2pipe.pipeline.shards.task import prepare

from .conftest import SHARD_SIZE, SHARDS, alive, arrays, until

TWO = GpuExecutor(("cpu", "cpu"))


class Record:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.lines, self.images, self.bars = [], [], []

    @contextmanager
    def bar(self, what, total):
        self.bars.append((what, total))
        yield self.images.append

    def say(self, line):
        self.lines.append(line)


def counts(stats):
    """What of statistics does not differ from run to run, and the names of what does."""
    content = asdict(stats)
    content["seconds"] = sorted(content["seconds"])
    throughput = content.pop("throughput")
    return {**content, "images": throughput["images"], "waited": sorted(throughput["waited"])}


@pytest.mark.slow
def test_two_processes_give_the_bits_and_the_counts_of_one(study, tmp_path):
    record = Record()
    session = study.open(tmp_path / "cache", TWO, progress=record)
    stats = session.compute()
    assert arrays(tmp_path / "cache") == study.arrays
    assert counts(stats) == counts(study.alone.stats)
    assert stats.throughput.seconds > 0
    assert record.bars == [("images", SHARDS * SHARD_SIZE)]
    assert sum(record.images) == SHARDS * SHARD_SIZE
    assert record.lines[0] == "One process each on process 0 (cpu) and process 1 (cpu)."
    told = sorted(line.partition(":")[0] for line in record.lines[1:])
    assert told == ["process 0 (cpu)", "process 1 (cpu)"]


@pytest.mark.slow
def test_a_process_that_is_killed_is_told_and_a_rerun_takes_its_shards(study, held, tmp_path):
    """It is held as it commits the third of its six shards; the other one goes on to its end."""
    cache, stand = tmp_path / "cache", held(5)

    def kill():
        (pid,) = until(stand.held)
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(A2pipeError) as raised:
        study.open(cache, TWO).compute()
    thread.join()
    assert str(raised.value) == (
        "process 1 (cpu) failed (its process was ended by signal 9, SIGKILL): 4 shards are "
        "missing, all others are done. Run again to compute what is missing."
    )
    assert study.shards(cache) == {*range(0, SHARDS, 2), 1, 3}
    held(None)
    assert study.open(cache, TWO).compute().shards == 4
    assert arrays(cache) == study.arrays
    assert not any(map(alive, stand.pids()))


@pytest.mark.slow
def test_what_all_processes_fail_of_is_said_once(study, tmp_path, monkeypatch):
    """Weights that change between the plan and the processes."""
    session = study.open(tmp_path / "cache", TWO)
    opening = "a2pipe.pipeline.shards.gpus.opening.fingerprint"
    monkeypatch.setattr(opening, lambda _: "0" * 32)
    with pytest.raises(A2pipeError) as raised:
        session.compute()
    assert str(raised.value) == (
        "process 0 (cpu) and process 1 (cpu) failed (The weights of a model have changed since "
        "this run began: run again): 12 shards are missing, what was committed is kept. Run again "
        "to compute what is missing."
    )


def dealt(study, cache, rank, world_size, gpus):
    """The shards of each process of a rank, where all are missing."""
    from a2pipe.pipeline.shards.gpus.executor import _dealt

    session = study.open(cache)
    task = prepare(session.plan, session.cache, session.plan.specs(), rank, world_size, gpus)
    return [share.shards for share in _dealt(task.shards, ["cpu"] * gpus)]


@pytest.mark.parametrize(("world_size", "gpus"), [(1, 2), (2, 2), (2, 3), (3, 4)])
def test_process_g_of_rank_r_of_w_is_rank_rg_plus_g_of_wg(study, tmp_path, world_size, gpus):
    for rank in range(world_size):
        found = dealt(study, tmp_path / "cache", rank, world_size, gpus)
        ranks = [rank * gpus + g for g in range(gpus)]
        assert found == [tuple(range(r, SHARDS, world_size * gpus)) for r in ranks]


def test_what_one_process_left_is_dealt_to_all():
    from a2pipe.pipeline.shards.gpus.executor import _dealt

    assert [each.shards for each in _dealt([1, 3, 5, 7], ["cpu", "cpu"])] == [(1, 5), (3, 7)]


def test_no_more_processes_than_shards():
    from a2pipe.pipeline.shards.gpus.executor import _dealt

    assert [(each.name, each.shards) for each in _dealt([4], ["cuda:2", "cuda:3"])] == [
        ("GPU 2", (4,))
    ]


def test_the_next_run_may_leave_out_the_gpus_that_failed():
    from a2pipe.pipeline.shards.gpus.executor import _without

    assert _without(["cuda:0", "cuda:2"]).endswith("with --gpus 0,2")
    assert _without(["cuda:2"]).endswith("with --device cuda:2")
    assert _without([]) == _without(["cpu"]) == ""


def test_gpus_that_are_not_there_are_refused_before_a_process_is_started(
    study, tmp_path, monkeypatch
):
    monkeypatch.setattr(devices, "visible_gpus", lambda: 2)
    monkeypatch.setattr("subprocess.Popen", None)
    content = {**study.content, "run": {"gpus": 3}}
    from a2pipe.pipeline.session import open_session

    with pytest.raises(UsageError, match="There are not 3 GPUs"):
        open_session(content, tmp_path / "cache").compute()
