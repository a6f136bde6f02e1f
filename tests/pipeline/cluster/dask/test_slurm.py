"""A cluster of jobs on a real SLURM that runs already."""

import os
import shutil
import subprocess
import time
from functools import partial

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.cluster.dask import jobqueue as dask_jobs
from a2pipe.pipeline.cluster.dask.jobqueue import job_workers
from a2pipe.pipeline.cluster.dask.run import DaskExecutor
from a2pipe.pipeline.cluster.description import Cluster
from a2pipe.pipeline.experiment.sections import RunSection
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session

from .conftest import PATIENCE, markers, numbers, when

pytestmark = pytest.mark.slow


def answers():
    if shutil.which("sinfo") is None:
        return False
    return subprocess.run(["sinfo"], capture_output=True, timeout=30).returncode == 0


@pytest.fixture(scope="module")
def slurm():
    """A SLURM that takes jobs; skips where none answers."""
    if not answers():
        pytest.skip("no SLURM answers (sinfo)")


@pytest.mark.usefixtures("slurm")
def test_jobs_give_the_same_bits_though_one_is_cancelled(study, tmp_path):
    """Two jobs of one worker each; the first is cancelled in the middle."""
    cache = tmp_path / "cache"
    cluster = Cluster(cores=1, memory="1GB", time="00:20:00", tasks=2)
    session = open_session(
        study.experiment, cache, executor=DaskExecutor(partial(job_workers, cluster))
    )
    before = jobs()
    thread = when(lambda: markers(cache) >= 4, lambda: cancel(min(jobs() - before)))
    run = build_matrix(session)
    thread.join()
    study.assert_given(cache)
    assert numbers(run) == numbers(study.run)
    assert jobs() - before == set()
    assert len(list((cache / "logs").glob("a2pipe-*.err"))) >= 1


@pytest.mark.usefixtures("slurm")
def test_a_job_of_two_gpus_has_a_worker_for_each_and_is_submitted_again(tmp_path, monkeypatch):
    if "gpu:2" not in said("sinfo", "-h", "-o", "%G"):
        pytest.skip("no node of this SLURM has two GPUs")
    monkeypatch.setattr(dask_jobs, "SECONDS_UNTIL_LOST", 3.0)
    before = jobs()
    cluster = Cluster(cores=2, memory="1GB", time="00:20:00", tasks=1, gpus=2)
    with job_workers(cluster, RunSection(), tmp_path) as connection:
        client = connection.client
        client.wait_for_workers(2, PATIENCE)
        assert {*client.run(os.getenv, "CUDA_VISIBLE_DEVICES").values()} == {"0", "1"}
        connection.mend()
        (first,) = jobs() - before
        cancel(first)
        end = time.monotonic() + PATIENCE
        while len(jobs() - before - {first}) < 1:
            assert time.monotonic() < end
            assert connection.mend() == ""
            time.sleep(0.5)
    assert jobs() - before == set()


@pytest.mark.usefixtures("slurm")
def test_jobs_that_are_refused_end_the_run_with_the_reason(study, tmp_path):
    executor = DaskExecutor(partial(job_workers, Cluster(queue="none", memory="1GB", tasks=1)))
    session = open_session(study.experiment, tmp_path / "cache", executor=executor)
    with pytest.raises(A2pipeError, match="No worker of 1 slurm job can be started: sbatch: error"):
        session.compute()


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def jobs():
    listed = said("squeue", "-h", "-o", "%A", "-n", "a2pipe", "-t", "PD,R")
    return {int(number) for number in listed.split()}


def cancel(job):
    subprocess.run(["scancel", str(job)], check=True)
