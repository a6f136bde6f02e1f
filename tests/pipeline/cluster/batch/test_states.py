"""What became of a task: the queue's word, then the accounting's, then the log's."""

import pytest

from a2pipe.pipeline.cluster.batch import slurm
from a2pipe.pipeline.cluster.batch.jobs import Submission
from a2pipe.pipeline.cluster.batch.states import active, failures, summary, task_states

BEGINS = "task 1 of 8, n1, 2026-01-02T03:04:05Z: begins\n"
ENDS = "task 1 of 8, n1, 2026-01-02T03:05:05Z: ended with exit code {}\n"


@pytest.fixture
def tells(monkeypatch):
    """What squeue and sacct print."""
    lines = {"squeue": "", "sacct": ""}
    monkeypatch.setattr(slurm, "_answer", lambda command: lines[command[0]].splitlines())
    return lines


def states(submission):
    return [(state.rank, state.job, state.state) for state in task_states(submission)]


def test_the_queue_goes_before_the_accounting_and_both_before_the_log(submission, tells):
    tells["squeue"] = "20|0|RUNNING\n22|N/A|PENDING\n"
    tells["sacct"] = "20_0|PENDING\n20_1|CANCELLED by 1000\n20_[2-4]|PENDING\n"
    submission.log(5).write_text(BEGINS + ENDS.format(3))
    assert states(submission) == [
        (0, "20_0", "RUNNING"),
        (1, "20_1", "CANCELLED"),
        (5, "21_1", "FAILED"),
        (None, "22", "PENDING"),
    ]


@pytest.mark.usefixtures("tells")
def test_without_any_word_a_state_is_unknown(submission):
    submission.log(0).write_text(BEGINS + ENDS.format(0))
    assert [state for *_, state in states(submission)] == ["COMPLETED", *3 * ["UNKNOWN"]]


@pytest.mark.usefixtures("tells")
def test_only_what_was_handed_over_has_a_state(submission):
    partly = Submission(**{**vars(submission), "jobs": ("20",)})
    assert [rank for rank, *_ in states(partly)] == [0, 1]
    assert summary(partly, task_states(partly))["finish"] == "not submitted"


def test_other_systems_are_not_asked(submission, monkeypatch):
    def answer(command):
        raise AssertionError(command)

    monkeypatch.setattr(slurm, "_answer", answer)
    for system in ("pbs", "lsf"):
        other = Submission(**{**vars(submission), "system": system})
        assert {state for *_, state in states(other)} == {"UNKNOWN"}
        assert active(other) == []


def test_an_array_is_active_while_one_of_its_tasks_is_not_over(submission, tells):
    tells["squeue"] = "20|0|COMPLETED\n20|1|PENDING\n21|1|FAILED\n22|N/A|PENDING\n"
    assert active(submission) == ["20"]


def test_failures_are_told_with_the_last_error_of_the_log(submission, tells):
    tells["squeue"] = "20|0|RUNNING\n20|1|TIMEOUT\n21|1|COMPLETED\n22|N/A|PENDING\n"
    submission.log(1).write_text(BEGINS + "a2pipe: no room\n")
    (failed,) = failures(task_states(submission))
    assert failed == {"task": 1, "job": "20_1", "state": "timeout", "last_error": "a2pipe: no room"}
