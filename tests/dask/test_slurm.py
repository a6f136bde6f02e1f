"""A cluster of jobs on a real SLURM that runs already."""

import shutil
import subprocess

import pytest

from a2pipe.pipeline.cluster_file import Cluster
from a2pipe.pipeline.dask_run import DaskExecutor
from a2pipe.pipeline.dask_where import JobWorkers
from a2pipe.pipeline.matrix import build_matrix
from a2pipe.pipeline.session import open_session

from .conftest import markers, numbers, when

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
    session = open_session(study.experiment, cache)
    cluster = Cluster(cores=1, memory="1GB", time="00:20:00", tasks=2)
    session.executor = DaskExecutor(JobWorkers(cluster))
    before = jobs()
    thread = when(lambda: markers(cache) >= 4, lambda: cancel(min(jobs() - before)))
    run = build_matrix(session)
    thread.join()
    study.assert_given(cache)
    assert numbers(run) == numbers(study.run)
    assert jobs() - before == set()
    assert len(list((cache / "logs").glob("a2pipe-*.err"))) >= 1


def jobs():
    listed = subprocess.run(
        ["squeue", "-h", "-o", "%A", "-n", "a2pipe", "-t", "PD,R"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {int(number) for number in listed.stdout.split()}


def cancel(job):
    subprocess.run(["scancel", str(job)], check=True)
