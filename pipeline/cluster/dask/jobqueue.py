"""A cluster file in the words of dask-jobqueue, which knows seven batch systems."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from ....errors import A2pipeError, first_line
from ..description import Cluster

SECONDS_UNTIL_LOST = 30.0
CLASSES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "htcondor": "HTCondorCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
}


class Jobs:
    """The jobs of one run: started as a cluster without any, then submitted and kept up."""

    def __init__(self, cluster: Cluster) -> None:
        self.count = min(cluster.at_once or cluster.tasks, cluster.tasks)
        self.threads = max(1, cluster.cores // processes_of(cluster))
        self.words = f"{self.count} {cluster.system} job{'s' if self.count > 1 else ''}"
        self._cluster = cluster
        self._started: Any = None
        self._problems: list[str] = []
        self._seen: dict[str, float] = {}

    def start(self, guard: str, logs: Path) -> Any:
        """The dask-jobqueue cluster, which has no job yet.

        guard: the module by which the guard of a worker gives it its GPU. logs: the folder for the
        output of jobs. What the description leaves open is taken from the site's own jobqueue.yaml.

        Raises:
            A2pipeError: dask-jobqueue cannot make one of the description.
        """
        import dask
        import dask_jobqueue

        kind = getattr(dask_jobqueue, CLASSES[self._cluster.system])
        name = f"jobqueue.{self._cluster.system}.scheduler-options"
        try:
            self._started = kind(
                **job_settings(self._cluster, guard),
                job_cls=_reporting(kind.job_cls, self._problems),
                log_directory=str(logs),
                silence_logs=logging.CRITICAL,
                scheduler_options={"dashboard_address": ":0", **dask.config.get(name, {})},
            )
        except (ValueError, OSError, RuntimeError) as error:
            raise A2pipeError(f"No {self.words} can be had: {first_line(error)}") from error
        return self._started

    def submit(self) -> str:
        """Submit the jobs that are not there, or no more; returns why an earlier one was refused,
        or an empty string."""
        problem = self._problems.pop() if self._problems else ""
        for name in self._lost():
            job = self._started.workers.pop(name, None)
            if job is not None:
                self._started.sync(job.close)
        self._started.scale(jobs=self.count)
        return problem

    def _lost(self) -> list[str]:
        """Jobs that had workers and have had none for a while; dask-jobqueue itself notices the
        loss of those with one worker only."""
        now, names = time.monotonic(), self._started.scheduler_info["workers"].values()
        workers = {str(worker["name"]) for worker in names}
        for job in self._started.workers:
            if workers & {job, *(f"{job}-{n}" for n in range(processes_of(self._cluster)))}:
                self._seen[job] = now
        lost = [job for job, seen in self._seen.items() if now - seen > SECONDS_UNTIL_LOST]
        for job in lost:
            del self._seen[job]
        return lost


def _reporting(kind: Any, problems: list[str]) -> Any:
    """The class of a job that, where it cannot be submitted, adds the reason to the problems; an
    error would go to a log of the event loop."""
    from distributed import Status

    class Job(kind):  # type: ignore[misc]
        async def start(self) -> None:
            try:
                await super().start()
            except Exception as error:
                lines = [line.strip() for line in str(error).splitlines() if line.strip()]
                problems.append(lines[-1] if lines else type(error).__name__)
                self.status = Status.running

    return Job


def job_settings(cluster: Cluster, guard: str) -> dict[str, Any]:
    """The arguments of the dask-jobqueue class for a description."""
    threads = max(1, cluster.cores // processes_of(cluster))
    settings: dict[str, Any] = {
        "cores": cluster.cores,
        "memory": cluster.memory,
        "processes": processes_of(cluster),
        "job_name": "a2pipe",
        "job_script_prologue": [*cluster.setup, *_environment(threads)],
        "worker_extra_args": _worker_arguments(cluster, guard),
        **_by_system(cluster),
    }
    if cluster.queue and cluster.system != "htcondor":
        settings["queue"] = cluster.queue
    if cluster.account and cluster.system != "htcondor":
        key = "account" if cluster.system in ("slurm", "pbs", "moab") else "project"
        settings[key] = cluster.account
    return settings


def processes_of(cluster: Cluster) -> int:
    """Workers of one job: one a GPU, or one."""
    return cluster.gpus or 1


def _environment(threads: int) -> list[str]:
    """Threads of a worker, which wait without spinning, as those of the command line do; and memory
    as the C library would keep it, which Dask changes."""
    names = [f"{name}_NUM_THREADS={threads}" for name in ("OMP", "MKL", "OPENBLAS")]
    kept = ["MALLOC_MMAP_THRESHOLD_=33554432", "MALLOC_TRIM_THRESHOLD_=67108864"]
    return [f"export {line}" for line in (*names, "OMP_WAIT_POLICY=PASSIVE", *kept)]


def _worker_arguments(cluster: Cluster, guard: str) -> list[str]:
    """One shard at a time; the batch system bounds memory; an end before the job's end."""
    arguments = ["--nthreads", "1", "--memory-limit", "0"]
    life = cluster.seconds - cluster.stop_before
    if life > 0:
        arguments += ["--lifetime", f"{life}s"]
    if cluster.gpus:
        arguments += ["--resources", "GPU=1"]
    if processes_of(cluster) > 1:
        arguments += ["--preload-nanny", guard]
    return arguments


def _by_system(cluster: Cluster) -> dict[str, Any]:
    """How a system is asked for GPUs and time, and given further directives."""
    gpus, clock = cluster.gpus, cluster.clock
    directives = list(cluster.directives)
    if cluster.system == "htcondor":
        pairs = [line.partition("=") for line in directives]
        extra = {key.strip(): value.strip() for key, _, value in pairs}
        extra |= {"request_gpus": str(gpus)} if gpus else {}
        extra |= {"accounting_group": cluster.account} if cluster.account else {}
        return {"disk": "1GB", "job_extra_directives": extra}
    if cluster.system == "slurm":
        asked = [f"--gres=gpu:{gpus}"] if gpus else []
        return {"walltime": cluster.time, "job_extra_directives": asked + directives}
    if cluster.system == "lsf":
        asked = [f"-gpu num={gpus}"] if gpus else []
        hours_minutes = clock.rpartition(":")[0]
        return {"walltime": hours_minutes, "job_extra_directives": asked + directives}
    settings = {"walltime": clock, "job_extra_directives": directives}
    if resources := _resources(cluster):
        settings["resource_spec"] = resources
    if cluster.system == "oar":  # whose memory comes with its cores
        settings["memory_per_core_property_name"] = "not_applicable"
    return settings


def _resources(cluster: Cluster) -> str:
    """The resources of a job where they are one word, which GPUs are a part of."""
    gpus, cores = cluster.gpus, cluster.cores
    if cluster.system == "pbs":
        return f"select=1:ncpus={cores}:mem={cluster.memory}" + (f":ngpus={gpus}" if gpus else "")
    if cluster.system == "moab":
        nodes = f"nodes=1:ppn={cores}" + (f":gpus={gpus}" if gpus else "")
        return f"{nodes},mem={cluster.memory}"
    if cluster.system == "oar":
        return f"/nodes=1/gpu={gpus}" if gpus else f"/nodes=1/core={cores}"
    return f"gpu={gpus}" if gpus else ""
