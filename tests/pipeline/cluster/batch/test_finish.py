"""Waiting for the finishing job: looks at the queue, then at its log."""

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.cluster.batch import finish, slurm
from a2pipe.pipeline.cluster.batch.finish import await_end
from a2pipe.pipeline.cluster.batch.jobs import Submission, write_record


@pytest.fixture
def queue(monkeypatch, submission, tmp_path):
    """What squeue says of the finishing job, look by look; then nothing."""
    looks = []
    monkeypatch.setattr(finish, "SECONDS_BETWEEN_LOOKS", 0)
    monkeypatch.setattr(
        slurm,
        "_answer",
        lambda command: [f"22|N/A|{looks.pop(0)}"] if command[0] == "squeue" and looks else [],
    )
    write_record(tmp_path, submission)
    return looks


def test_a_queue_without_an_answer_is_asked_again(queue, submission, tmp_path):
    queue += ["PENDING", *5 * ["UNKNOWN"], "RUNNING", "COMPLETED"]
    submission.finish_log.write_text("finish, n1, 2026-01-02T03:04:05Z: begins\n")
    with pytest.raises(A2pipeError, match="did not succeed"):
        await_end(submission, tmp_path)
    assert queue == []
    submission.finish_log.write_text("finish, n1, 2026-01-02T03:05:05Z: ended with exit code 0\n")
    assert await_end(submission, tmp_path) == submission


def test_waiting_ends_where_nothing_ever_answers(queue, submission, tmp_path):
    queue += ["RUNNING"]
    with pytest.raises(A2pipeError, match="did not succeed"):
        await_end(submission, tmp_path)


def test_a_rest_that_was_refused_half_way_is_not_waited_for(queue, submission, tmp_path):
    queue += ["FAILED"]
    rest = Submission(**{**vars(submission), "id": "20260103T030405Z-000000", "jobs": ()})
    write_record(tmp_path, rest)
    submission.finish_log.write_text("finish, n1, 2026-01-02T03:05:05Z: ended with exit code 4\n")
    with pytest.raises(A2pipeError, match="finishing job 22 did not succeed") as raised:
        await_end(submission, tmp_path)
    assert raised.value.exit_code == 4
