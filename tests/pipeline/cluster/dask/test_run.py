"""How shards are dealt, tried again and given up: with workers that only say what came of them."""

import errno
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, fields

import distributed
import pytest
from distributed import CancelledError
from distributed.comm.core import CommClosedError

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.cluster.dask import run as dask_run
from a2pipe.pipeline.cluster.dask.clusters import Connection
from a2pipe.pipeline.cluster.dask.run import DaskExecutor, ShardsFailedError, is_lost_connection
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.stats import RunStats, Throughput
from a2pipe.pipeline.shards.task import prepare

from .conftest import SHARD_SIZE, SHARDS, when, write_experiment, write_images


@pytest.fixture(scope="module")
def threads():
    """Two workers in this process."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    experiment = write_experiment(folder, write_images(folder / "images", SHARDS * SHARD_SIZE))
    return open_session(experiment, folder / "cache")


class Record:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.lines, self.images = [], 0

    @contextmanager
    def bar(self, what, total):
        assert (what, total) == ("images", SHARDS * SHARD_SIZE)

        def advance(count):
            assert count > 0
            self.images += count

        yield advance

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def deal(threads, session, monkeypatch):
    """Deal all shards to workers that answer `answer(request, shards)`; the counts and progress."""

    def run(answer, client=threads):
        @contextmanager
        def connect(*_):
            yield Connection(client, "two threads")

        monkeypatch.setattr(dask_run, "compute_shards", answer)
        monkeypatch.setattr(dask_run, "SECONDS_TO_BE_SEEN", 0.0)
        task = prepare(session.plan, session.cache, session.plan.specs())
        stats, progress = RunStats(), Record()
        try:
            DaskExecutor(connect).compute(task, progress, stats)
        except A2pipeError as error:
            return stats, progress, error
        return stats, progress, None

    return run


def stats_of(shards):
    """What a worker counts that computed so many shards; no field is empty."""
    waited = {"decode": 0.25 * shards, "device": 0.5 * shards}
    return RunStats(
        shards=shards,
        shards_in_vain=shards,
        rows_in_vain=8 * shards,
        decoded=4 * shards,
        left_to_pillow=3 * shards,
        forward_passes={"m": shards, "n": 2 * shards},
        seconds={"write": 0.5 * shards},
        device="cpu",
        throughput=Throughput(1.0 * shards, 4 * shards, waited=waited),
    )


def answer_with(cause, shards=range(SHARDS), workers=(0, 1)):
    """What a worker runs: all is done but these shards, which fail on these workers."""
    failing = {(shard, worker) for shard in shards for worker in workers}

    def answer(request, shards):
        del request
        worker = distributed.get_worker()
        bad = tuple(shard for shard in shards if (shard, worker.name) in failing)
        done = len(shards) - len(bad)
        return {
            "stats": asdict(stats_of(done)),
            "undone": bad,
            "cause": cause if bad else "",
            "error": f"no luck with {list(bad)}" if bad else "",
            "host": "node",
            "worker": worker.address,
        }

    return answer


def test_counts_of_all_tasks_add_up(deal):
    stats, progress, error = deal(answer_with("shard", shards=()))
    assert error is None
    assert stats == stats_of(SHARDS)
    assert [each.name for each in fields(stats) if not getattr(stats, each.name)] == []
    assert progress.images == SHARDS * SHARD_SIZE
    assert len(progress.lines) == 1
    assert progress.lines[0].startswith("Dask: two threads, dashboard at http://")


def test_what_fails_three_times_is_given_up_and_the_rest_is_done(deal):
    stats, progress, error = deal(answer_with("shard", shards=(3, 8)))
    assert isinstance(error, ShardsFailedError)
    assert error.exit_code == 1
    assert error.failed == {n: f"no luck with [{n}] (on node)" for n in (3, 8)}
    assert str(error).splitlines()[0].startswith("2 shards failed 3 times; all others are done.")
    assert stats.shards == SHARDS - 2
    assert progress.images == SHARDS * SHARD_SIZE


def test_what_fails_on_one_worker_is_done_by_the_other(deal):
    stats, _, error = deal(answer_with("shard", workers=(0,)))
    assert error is None
    assert stats.shards == SHARDS


def test_a_worker_that_cannot_open_the_experiment_is_left_out(deal):
    stats, progress, error = deal(answer_with("worker", workers=(1,)))
    assert error is None
    assert stats.shards == SHARDS
    assert sum("Left out the worker at" in line for line in progress.lines) == 1


def test_where_no_worker_can_open_it_the_run_ends(deal):
    _, _, error = deal(answer_with("worker"))
    assert "No worker can open the experiment. On node: no luck with" in str(error)


def test_a_full_disk_ends_the_run_at_once(deal):
    stats, _, error = deal(answer_with("disk"))
    assert str(error).startswith("On node: no luck with")
    assert stats.shards == 0


def test_a_worker_that_cannot_run_a_task_ends_the_run(deal):
    def answer(*_):
        raise ModuleNotFoundError("No module named 'a2pipe'")

    _, _, error = deal(answer)
    assert "two threads could not run a task (ModuleNotFoundError: No module named" in str(error)


def test_a_scheduler_that_goes_away_ends_the_run(deal):
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        client = distributed.Client(cluster, set_as_default=False)

        def answer(*_):
            time.sleep(1.0)

        thread = when(lambda: any(client.processing().values()), cluster.close)
        _, _, error = deal(answer, client)
        thread.join()
        client.close()
    assert "The connection to two threads was lost" in str(error)


def test_a_run_that_no_worker_joins_says_where_to_look(deal, monkeypatch):
    monkeypatch.setattr(dask_run, "FIRST_PATIENCE", 0.0)
    monkeypatch.setattr(dask_run, "SECONDS_BETWEEN_LOOKS", 0.1)
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        client = distributed.Client(cluster, set_as_default=False)
        timer = threading.Timer(1.5, lambda: cluster.scale(1))
        timer.start()
        stats, progress, error = deal(answer_with("shard", shards=()), client)
        timer.join()
        client.close()
    assert error is None
    assert stats.shards == SHARDS
    assert progress.lines[1] == "Waiting for the first worker."
    assert progress.lines[2].startswith("No worker for ")
    assert progress.lines[2].endswith("/logs.")


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (CommClosedError("in <TCP>: Stream is closed"), True),
        (OSError("Timed out trying to connect to tcp://127.0.0.1:8786"), True),
        (TimeoutError(), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), True),
        (CancelledError("compute_shards-1"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_only_a_lost_scheduler_is_told_as_one(error, lost):
    assert is_lost_connection(error) is lost
