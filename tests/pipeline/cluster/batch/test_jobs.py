"""Records of submissions, and the logs of their tasks."""

from pathlib import Path

import pytest

from a2pipe.errors import UsageError
from a2pipe.files import read_checked_json
from a2pipe.pipeline.cluster.batch.jobs import Submission, record_path, submissions, write_record


def test_records_are_read_back_by_experiment_oldest_first(submission, tmp_path):
    later = Submission(**{**vars(submission), "id": "20260103T030405Z-000000"})
    other = Submission(**{**vars(submission), "experiment": "other"})
    for each in (later, submission, other):
        write_record(tmp_path, each)
    assert submissions(tmp_path, "birds [a/b]") == [submission, later]
    assert len(submissions(tmp_path)) == 3
    assert submissions(Path("/none")) == []


def test_a_record_has_the_keys_that_earlier_versions_read(submission, tmp_path):
    write_record(tmp_path, submission)
    document = read_checked_json(record_path(tmp_path, submission.experiment, submission.id))
    assert document["parts"] == [
        {"number": 1, "first": 0, "ranks": [0, 1]},
        {"number": 2, "first": 4, "ranks": [5]},
    ]
    keys = "created experiment folder format id jobs out parts resubmit shards system world_size"
    assert sorted(document) == keys.split()


@pytest.mark.parametrize(("system", "name"), [("slurm", "1"), ("pbs", "0"), ("lsf", "2")])
def test_logs_bear_the_numbers_that_the_system_gives(submission, system, name):
    of = Submission(**{**vars(submission), "system": system})
    assert of.log(5).name == f"tasks-2-{name}.log"


def test_a_task_that_is_not_there_is_answered_with_those_that_are(submission):
    with pytest.raises(UsageError, match="has no task 9: its tasks are 0 to 5"):
        submission.log(9)


def test_the_finishing_job_is_the_one_behind_all_arrays(submission):
    assert submission.finish_job == "22"
    assert Submission(**{**vars(submission), "jobs": ("20", "21")}).finish_job is None
