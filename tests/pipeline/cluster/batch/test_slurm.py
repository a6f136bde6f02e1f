"""What SLURM's commands say, and what of its variables a new job is not to inherit."""

import errno
import subprocess

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.cluster.batch import slurm
from a2pipe.pipeline.cluster.batch.slurm import SLURM
from a2pipe.pipeline.cluster.batch.system import QueueError


@pytest.fixture
def ends(monkeypatch):
    """Let every command end with this output, message and exit code, and note which were run."""
    commands = []

    def install(out="", err="", code=0):
        def run(command, **_):
            commands.append(command)
            return subprocess.CompletedProcess(command, code, out, err)

        monkeypatch.setattr(subprocess, "run", run)
        monkeypatch.setattr(slurm, "SECONDS_BETWEEN", 0)
        return commands

    return install


def test_the_queue_tells_jobs_and_tasks(ends):
    commands = ends("20|0|RUNNING\n20|1|PENDING\n22|N/A|PENDING\n")
    expected = {("20", 0): "RUNNING", ("20", 1): "PENDING", ("22", None): "PENDING"}
    assert SLURM.queued(["20", "22"]) == expected
    assert commands[0][-1] == "--jobs=20,22"


def test_no_jobs_are_not_asked_for(ends):
    commands = ends()
    assert SLURM.queued([]) == SLURM.states([]) == {}
    assert commands == []


def test_a_queue_that_fails_is_asked_so_often_and_then_it_is_an_error(ends):
    commands = ends(err="slurm_load_jobs error: no controller\n", code=1)
    with pytest.raises(QueueError, match="no controller"):
        SLURM.queued(["20"])
    assert len(commands) == slurm.TIMES_ASKED


def test_jobs_that_the_queue_has_forgotten_are_over(ends):
    ends(err="slurm_load_jobs error: Invalid job id specified", code=1)
    assert SLURM.queued(["20"]) == {}


def test_where_slurm_is_not_there_it_tells_nothing(monkeypatch):
    def run(*_args, **_kwargs):
        raise FileNotFoundError(errno.ENOENT, "No such file")

    monkeypatch.setattr(subprocess, "run", run)
    assert SLURM.queued(["20"]) == SLURM.states(["20"]) == {}
    assert SLURM.largest_array() == slurm.DEFAULT_LARGEST_ARRAY


def test_the_largest_array_is_what_slurm_allows(ends):
    ends("SchedulerType  = sched/backfill\nMaxArraySize            = 500\n")
    assert SLURM.largest_array() == 500


def test_a_slurm_without_arrays_is_refused(ends):
    ends("MaxArraySize            = 0\n")
    with pytest.raises(UsageError, match="takes no arrays"):
        SLURM.largest_array()


def test_a_new_job_inherits_no_variables_of_the_job_that_submits_it():
    given = {"SLURM_JOB_ID": "7", "SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin"}
    assert SLURM.environment(given) == {"SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin"}
