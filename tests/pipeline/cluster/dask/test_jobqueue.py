"""One description of a cluster in the words of seven batch systems: the job scripts."""

from types import SimpleNamespace

import pytest

from a2pipe.pipeline.cluster.dask import jobqueue
from a2pipe.pipeline.cluster.dask.jobqueue import SYSTEMS, Jobs
from a2pipe.pipeline.cluster.description import Cluster

pytest.importorskip("dask_jobqueue")

ASKED = {
    "queue": "gpu",
    "account": "vision",
    "time": "1-02:30:00",
    "cores": 8,
    "memory": "32GB",
    "gpus": 2,
    "setup": ("module load cuda",),
}


def script(tmp_path, system, **more):
    """The script of one job, as dask-jobqueue hands it to the system."""
    jobs = Jobs(Cluster(system=system, **{**ASKED, **more}))
    cluster = jobs.start(tmp_path / "logs")
    try:
        return cluster.job_script()
    finally:
        cluster.close()


LINES = {
    "slurm": ("#SBATCH -p gpu", "#SBATCH -A vision", "#SBATCH -t 1-02:30:00", "--gres=gpu:2"),
    "pbs": ("#PBS -q gpu", "select=1:ncpus=8:mem=32GB:ngpus=2", "walltime=26:30:00"),
    "moab": ("#PBS -q gpu", "nodes=1:ppn=8:gpus=2,mem=32GB", "walltime=26:30:00"),
    "lsf": ("#BSUB -q gpu", '#BSUB -P "vision"', "#BSUB -n 8", "#BSUB -W 26:30", "-gpu num=2"),
    "sge": ("#$ -q gpu", "#$ -P vision", "#$ -l gpu=2", "#$ -l h_rt=26:30:00"),
    "oar": ("#OAR -q gpu", "#OAR --project vision", "#OAR -l /nodes=1/gpu=2,walltime=26:30:00"),
    "htcondor": ("request_gpus = 2", "accounting_group = vision", "MY.DaskWorkerCores = 8"),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_job_asks_for_what_the_file_says(system, tmp_path):
    text = script(tmp_path, system)
    assert [line for line in LINES[system] if line not in text] == []
    assert "module load cuda" in text
    assert "export OMP_NUM_THREADS=4" in text


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_job_has_a_worker_a_gpu_that_computes_one_shard_at_a_time(system, tmp_path):
    text = script(tmp_path, system)
    assert "--nworkers 2" in text
    assert text.rindex("--nthreads 1 ") > text.index("--nthreads 4 ")
    assert "--resources GPU=1 --preload-nanny a2pipe.pipeline.cluster.dask.device" in text
    assert "--lifetime 95280s" in text


def test_the_only_worker_of_a_job_sees_the_gpu_that_the_job_has(tmp_path):
    text = script(tmp_path, "pbs", gpus=1)
    assert "--resources GPU=1" in text
    assert "--preload-nanny" not in text


def test_without_gpus_a_job_is_one_worker(tmp_path):
    text = script(tmp_path, "slurm", gpus=0, directives=("--constraint=cpu",))
    assert "--nworkers" not in text
    assert "gres" not in text
    assert "--resources" not in text
    assert "#SBATCH --constraint=cpu" in text
    assert "export OMP_NUM_THREADS=8" in text


def test_no_more_jobs_than_may_run_at_once():
    assert Jobs(Cluster(tasks=8, at_once=3)).count == 3
    assert Jobs(Cluster(tasks=2, at_once=3)).words == "2 slurm jobs"


def test_the_sites_own_settings_fill_what_is_open(tmp_path):
    import dask

    with dask.config.set({"jobqueue.slurm.queue": "site", "jobqueue.slurm.account": "mine"}):
        text = script(tmp_path, "slurm", queue="")
    assert "#SBATCH -p site" in text
    assert "#SBATCH -A vision" in text


class Site:
    """A cluster of dask-jobqueue that only notes what it is asked; every job has two workers."""

    def __init__(self, *jobs):
        self.workers = {job: SimpleNamespace(close=f"close {job}") for job in jobs}
        self.scheduler_info = {"workers": {}}
        self.asked = []

    def show(self, *names):
        self.scheduler_info["workers"] = {name: {"name": name} for name in names}

    def scale(self, jobs):
        self.asked.append(jobs)

    def sync(self, call):
        self.asked.append(call)


def test_a_job_whose_workers_are_lost_is_closed_and_one_more_is_asked_for(monkeypatch):
    """Two jobs had workers, one of a longer number has none yet; then one of the two has none."""
    jobs, site, now = Jobs(Cluster(tasks=3, gpus=2)), Site("j-1", "j-2", "j-11"), [0.0]
    jobs._cluster = site
    monkeypatch.setattr(jobqueue.time, "monotonic", lambda: now[0])
    site.show("j-1-0", "j-1-1", "j-2-0")
    assert jobs.submit() == ""
    site.show("j-2-0")
    now[0] = jobqueue.SECONDS_UNTIL_LOST
    assert jobs.submit() == ""
    assert site.asked == [3, 3]
    now[0] += 1.0
    jobs.submit()
    assert site.asked == [3, 3, "close j-1", 3]
    assert site.workers.keys() == {"j-2", "j-11"}


def test_a_refusal_is_told_once():
    jobs = Jobs(Cluster(tasks=1))
    jobs._cluster = Site()
    jobs._refusals.append("sbatch: error: no such partition")
    assert [jobs.submit(), jobs.submit()] == ["sbatch: error: no such partition", ""]
