"""What became of a task: the queue's word, then the accounting's, then the log's."""

from pathlib import Path

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.cluster.batch import finish as batch_finish
from a2pipe.pipeline.cluster.batch import states as batch_states
from a2pipe.pipeline.cluster.batch.deal import Part
from a2pipe.pipeline.cluster.batch.jobs import Submission, submissions, write_record
from a2pipe.pipeline.cluster.batch.states import exit_code, last_error, summary, task_states

BEGINS = "task 1 of 8, n1, 2026-01-02T03:04:05Z: begins\n"
ENDS = "task 1 of 8, n1, 2026-01-02T03:05:05Z: ended with exit code {}\n"


@pytest.fixture
def submission(tmp_path):
    (tmp_path / "logs").mkdir()
    return Submission(
        id="20260102T030405Z-abc123",
        experiment="birds [a/b]",
        system="slurm",
        created="2026-01-02T03:04:05+00:00",
        folder=tmp_path,
        out=tmp_path,
        shards=9,
        world_size=8,
        parts=(Part(1, 0, (0, 1)), Part(2, 4, (5,))),
        jobs=("20", "21", "22"),
    )


@pytest.fixture
def tells(monkeypatch):
    """What squeue and sacct print."""
    lines = {"squeue": "", "sacct": ""}
    monkeypatch.setattr(
        batch_states, "_said", lambda command: lines[command[0]].splitlines() if command else []
    )
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
    def said(command):
        raise AssertionError(command)

    monkeypatch.setattr(batch_states, "_said", said)
    other = Submission(**{**vars(submission), "system": "pbs"})
    assert {state for *_, state in states(other)} == {"UNKNOWN"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BEGINS + "loading\na2pipe: no room\n  bad/1.png: torn\n" + ENDS, "a2pipe: no room"),
        (
            BEGINS + "a2pipe: Terminated\nslurmstepd: error: *** CANCELLED ***\n",
            "slurmstepd: error:",
        ),
        (BEGINS + "Killed\n", "Killed"),
        (BEGINS, ""),
        ("", ""),
    ],
)
def test_the_last_error_of_a_log(tmp_path, text, line):
    log = tmp_path / "a.log"
    log.write_text(text)
    assert last_error(log).startswith(line)
    assert bool(last_error(log)) is bool(line)


def test_a_log_that_is_not_there(tmp_path):
    assert last_error(tmp_path / "none") == ""
    assert exit_code(tmp_path / "none") is None


def test_the_exit_code_is_that_of_the_last_run(tmp_path):
    log = tmp_path / "a.log"
    log.write_text(BEGINS + ENDS.format(143) + BEGINS + ENDS.format(0))
    assert exit_code(log) == 0
    log.write_text(BEGINS + ENDS.format(143) + BEGINS)
    assert exit_code(log) is None


def test_records_are_read_back_by_experiment_oldest_first(submission, tmp_path):
    later = Submission(**{**vars(submission), "id": "20260103T030405Z-000000"})
    other = Submission(**{**vars(submission), "experiment": "other"})
    for each in (later, submission, other):
        write_record(tmp_path, each)
    assert submissions(tmp_path, "birds [a/b]") == [submission, later]
    assert len(submissions(tmp_path)) == 3
    assert submissions(Path("/none")) == []


@pytest.mark.parametrize(("system", "name"), [("slurm", "1"), ("pbs", "0"), ("lsf", "2")])
def test_logs_bear_the_numbers_that_the_system_gives(submission, system, name):
    of = Submission(**{**vars(submission), "system": system})
    assert of.log(5).name == f"tasks-2-{name}.log"


@pytest.fixture
def queue(monkeypatch, submission, tmp_path):
    """What squeue says of the finishing job, look by look; then nothing."""
    looks = []
    monkeypatch.setattr(batch_finish, "SECONDS_BETWEEN_LOOKS", 0)
    monkeypatch.setattr(
        batch_states,
        "_said",
        lambda command: [f"22|N/A|{looks.pop(0)}"] if command[0] == "squeue" and looks else [],
    )
    write_record(tmp_path, submission)
    return looks


def test_a_queue_without_an_answer_is_asked_again(queue, submission, tmp_path):
    queue += ["PENDING", *5 * ["UNKNOWN"], "RUNNING", "COMPLETED"]
    submission.finish_log.write_text("finish, n1, 2026-01-02T03:04:05Z: begins\n")
    with pytest.raises(A2pipeError, match="did not succeed"):
        batch_finish.await_end(submission, tmp_path)
    assert queue == []
    submission.finish_log.write_text("finish, n1, 2026-01-02T03:05:05Z: ended with exit code 0\n")
    assert batch_finish.await_end(submission, tmp_path) == submission


def test_waiting_ends_where_nothing_ever_answers(queue, submission, tmp_path):
    queue += ["RUNNING"]
    with pytest.raises(A2pipeError, match="did not succeed"):
        batch_finish.await_end(submission, tmp_path)


def test_a_rest_that_was_refused_half_way_is_not_waited_for(queue, submission, tmp_path):
    queue += ["FAILED"]
    rest = Submission(**{**vars(submission), "id": "20260103T030405Z-000000", "jobs": ()})
    write_record(tmp_path, rest)
    submission.finish_log.write_text("finish, n1, 2026-01-02T03:05:05Z: ended with exit code 4\n")
    with pytest.raises(A2pipeError, match="finishing job 22 did not succeed") as raised:
        batch_finish.await_end(submission, tmp_path)
    assert raised.value.exit_code == 4
