"""Jobs of a batch system become Dask workers through dask-jobqueue, which knows seven systems."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import A2pipeError, first_line
from ...experiment.sections import RunSection
from ..description import Cluster
from .clusters import GPU_PRELOAD, THREADS, Connection, own_cluster

SECONDS_UNTIL_LOST = 30.0


@dataclass(frozen=True)
class System:
    """A system says in templates how dask-jobqueue asks it for what a description says.

    kind: the class of dask-jobqueue. account: its word for the account. gpus: what asks for GPUs;
    cores: what stands there without any. resources: the text around these two, where they are part
    of the job's resources; else `gpus` is a directive of its own. time: of a job.
    """

    kind: str
    account: str = "account"
    gpus: str = ""
    cores: str = ""
    resources: str = ""
    time: str = "{clock}"


SYSTEMS = {
    "slurm": System("SLURMCluster", gpus="--gres=gpu:{gpus}", time="{time}"),
    "pbs": System(
        "PBSCluster", gpus=":ngpus={gpus}", resources="select=1:ncpus={cores}:mem={memory}{asked}"
    ),
    "moab": System(
        "MoabCluster", gpus=":gpus={gpus}", resources="nodes=1:ppn={cores}{asked},mem={memory}"
    ),
    "lsf": System("LSFCluster", "project", gpus="-gpu num={gpus}", time="{hours_minutes}"),
    "sge": System("SGECluster", "project", gpus="gpu={gpus}", resources="{asked}"),
    "oar": System("OARCluster", "project", "gpu={gpus}", "core={cores}", "/nodes=1/{asked}"),
    "htcondor": System("HTCondorCluster"),
}


@contextmanager
def job_workers(cluster: Cluster, run: RunSection, logs: Path) -> Iterator[Connection]:
    """Submit jobs of a batch system, each with a worker a GPU or with one; cancel them at the end.

    cluster: what a job may use. logs: the folder for the output of jobs. `run` is not read.

    Raises:
        A2pipeError: dask-jobqueue cannot make jobs of the description.
    """
    del run
    jobs = Jobs(cluster)
    with own_cluster(lambda: jobs.start(logs)) as (client, _):
        jobs.submit()
        yield Connection(client, jobs.words, _threads_of(cluster), jobs.submit)


class Jobs:
    """Submit the jobs of one run, and keep their number up.

    count: how many there are at a time. words: what they are, for a person.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.count = min(cluster.at_once or cluster.tasks, cluster.tasks)
        self.words = f"{self.count} {cluster.system} job{'s' if self.count > 1 else ''}"
        self._description = cluster
        self._cluster: Any = None
        self._refusals: list[str] = []
        self._last_seen: dict[str, float] = {}

    def start(self, logs: Path) -> Any:
        """Return the cluster of dask-jobqueue, which has no job yet; raises as `job_workers`.

        What the description leaves open is taken from the site's own jobqueue.yaml.
        """
        import dask
        import dask_jobqueue

        system = self._description.system
        kind = getattr(dask_jobqueue, SYSTEMS[system].kind)
        options = dask.config.get(f"jobqueue.{system}.scheduler-options", {})
        try:
            self._cluster = kind(
                **job_settings(self._description),
                job_cls=_reporting(kind.job_cls, self._refusals),
                log_directory=str(logs),
                silence_logs=logging.CRITICAL,
                scheduler_options={"dashboard_address": ":0", **options},
            )
        except (ValueError, OSError, RuntimeError) as error:
            raise A2pipeError(f"No {self.words} can be had: {first_line(error)}") from error
        return self._cluster

    def submit(self) -> str:
        """Submit the jobs that are lacking or lost.

        Returns why the system refused an earlier one, or an empty string.
        """
        # dask-jobqueue 0.9 looks for a worker by its job's name, and so notices the loss only of
        # jobs of one worker: those of a job of several are named JOB-0, JOB-1, ...
        now, infos = time.monotonic(), self._cluster.scheduler_info["workers"].values()
        names = [str(worker["name"]) for worker in infos]
        for job in self._cluster.workers:
            if any(name == job or name.startswith(f"{job}-") for name in names):
                self._last_seen[job] = now
        # A job that has had no worker yet may still wait in the queue, and is not lost.
        for job in [job for job, at in self._last_seen.items() if now - at > SECONDS_UNTIL_LOST]:
            del self._last_seen[job]
            if lost := self._cluster.workers.pop(job, None):
                self._cluster.sync(lost.close)
        self._cluster.scale(jobs=self.count)
        return self._refusals.pop() if self._refusals else ""


def _reporting(kind: Any, refusals: list[str]) -> Any:
    """Return the class of a job that adds the reason to `refusals` if it cannot be submitted."""
    from distributed import Status

    class Job(kind):  # type: ignore[misc]
        async def start(self) -> None:
            try:
                await super().start()
            except Exception as error:
                # Raised here it would only reach a log, and the run would wait for ever.
                lines = [line.strip() for line in str(error).splitlines() if line.strip()]
                refusals.append(lines[-1] if lines else type(error).__name__)
                self.status = Status.running

    return Job


def job_settings(cluster: Cluster) -> dict[str, Any]:
    """Return the arguments of the dask-jobqueue class for a description."""
    settings = {
        "cores": cluster.cores,
        "memory": cluster.memory,
        "processes": cluster.gpus or 1,
        "job_name": "a2pipe",
        "job_script_prologue": [*cluster.setup, *_environment(_threads_of(cluster))],
        "worker_extra_args": _worker_arguments(cluster),
    }
    return settings | (_for_condor if cluster.system == "htcondor" else _for_others)(cluster)


def _for_others(cluster: Cluster) -> dict[str, Any]:
    """Return the settings that differ from system to system, for all systems but HTCondor."""
    system, clock = SYSTEMS[cluster.system], cluster.clock
    values = {**dict(cluster), "clock": clock, "hours_minutes": clock.rpartition(":")[0]}
    asked = (system.gpus if cluster.gpus else system.cores).format(**values)
    directive = [asked] if asked and not system.resources else []
    settings = {
        "walltime": system.time.format(**values),
        "job_extra_directives": [*directive, *cluster.directives],
        "resource_spec": system.resources.format(**values, asked=asked),
        "queue": cluster.queue,
        system.account: cluster.account,
    }
    if cluster.system == "oar":  # whose memory comes with its cores
        settings["memory_per_core_property_name"] = "not_applicable"
    # An empty text would hide what the site's own jobqueue.yaml says.
    return {name: value for name, value in settings.items() if value != ""}


def _for_condor(cluster: Cluster) -> dict[str, Any]:
    """Return the settings that only HTCondor has."""
    # HTCondor has neither queues nor a limit of time, and its directives are pairs.
    pairs = [line.partition("=") for line in cluster.directives]
    extra = {key.strip(): value.strip() for key, _, value in pairs}
    extra |= {"request_gpus": str(cluster.gpus)} if cluster.gpus else {}
    extra |= {"accounting_group": cluster.account} if cluster.account else {}
    return {"disk": "1GB", "job_extra_directives": extra}


def _threads_of(cluster: Cluster) -> int:
    """Return how many threads each worker of a job has."""
    return max(1, cluster.cores // (cluster.gpus or 1))


def _environment(threads: int) -> list[str]:
    """Return the lines of a job's script that set the environment of its workers."""
    # As on the command line, threads wait without spinning. The last two variables are the C
    # library's own values: Dask lowers them, which halves the rate on a CPU.
    names = [f"{name}={threads}" for name in THREADS]
    kept = ["MALLOC_MMAP_THRESHOLD_=33554432", "MALLOC_TRIM_THRESHOLD_=67108864"]
    return [f"export {line}" for line in (*names, "OMP_WAIT_POLICY=PASSIVE", *kept)]


def _worker_arguments(cluster: Cluster) -> list[str]:
    """Return further arguments of `dask worker`, which win over those of dask-jobqueue."""
    # A worker computes one shard at a time, the batch system bounds its memory, and it ends before
    # its job's time is over and the system kills it.
    arguments = ["--nthreads", "1", "--memory-limit", "0"]
    arguments += ["--lifetime", f"{cluster.seconds - cluster.stop_before}s"]
    arguments += ["--resources", "GPU=1"] if cluster.gpus else []
    return arguments + (["--preload-nanny", GPU_PRELOAD] if cluster.gpus > 1 else [])
