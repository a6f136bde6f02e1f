"""What another process is asked, and what it reports: as plain JSON, whatever happens."""

import errno
import json
from dataclasses import asdict

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.progress import SilentProgress
from a2pipe.pipeline.shards.request import Report, compute_reported, experiment_for, report_from
from a2pipe.pipeline.shards.stats import RunStats, Throughput
from a2pipe.pipeline.shards.task import prepare


@pytest.fixture
def task(experiment, tmp_path):
    """A task of ten shards whose experiment takes GPUs and hashes files again."""
    given = experiment(run={"shard_size": 8, "gpus": 2})
    given["dataset"]["rehash"] = True
    session = open_session(given, tmp_path / "cache")
    return prepare(session.plan, session.cache, session.plan.specs())


class Failing:
    """An executor that computes one shard and then fails."""

    def __init__(self, error):
        self.error = error

    def compute(self, task, progress, stats):
        del task, progress
        stats.shards += 1
        raise self.error


def test_a_report_survives_json():
    stats = RunStats(3, 1, 7, 40, {"m": 80}, {"write": 0.5}, "cuda:0", Throughput(2.5, 40))
    report = Report(stats, (4, 6), "shard", "No.", "node1", "tcp://x:1")
    assert report_from(json.loads(json.dumps(asdict(report)))) == report


def test_another_process_starts_no_others_and_hashes_nothing_again(task):
    content = json.loads(json.dumps(experiment_for(task, decoders=3)))
    assert (content["run"]["gpus"], content["run"]["workers"]) == (None, 3)
    assert content["dataset"]["rehash"] is False


@pytest.mark.parametrize(
    ("error", "cause", "said"),
    [
        (A2pipeError("It broke."), "shard", "It broke."),
        (ValueError("odd\nand long"), "shard", "ValueError: odd"),
        (OSError(errno.ENOSPC, "No space left"), "disk", "OSError: [Errno 28] No space left"),
    ],
)
def test_an_error_is_reported_with_what_was_done(task, error, cause, said):
    stats = RunStats()
    report = compute_reported(lambda: task, [1, 2], Failing(error), SilentProgress(), stats)
    assert (report.cause, report.error, report.undone) == (cause, said, (1, 2))
    assert report.stats is stats
    assert stats.shards == 1


def test_a_task_that_cannot_be_opened_is_about_the_process():
    def refuse():
        raise A2pipeError("Other weights.")

    report = compute_reported(refuse, [1, 2], Failing(None), SilentProgress(), RunStats())
    assert (report.cause, report.error, report.undone) == ("worker", "Other weights.", (1, 2))


def test_an_interruption_is_no_error(task):
    with pytest.raises(KeyboardInterrupt):
        compute_reported(
            lambda: task, [1], Failing(KeyboardInterrupt()), SilentProgress(), RunStats()
        )
