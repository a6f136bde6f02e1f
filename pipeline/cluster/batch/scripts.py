"""The scripts of a submission: templates filled with what a cluster and an experiment say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from shlex import quote

from ..description import Cluster
from .deal import Deal, TaskArray
from .system import BatchSystem, Job

EXPERIMENT, CLUSTER, FINISH = "experiment.toml", "cluster.toml", "finish.sh"
"""Names of the files that jobs read, as the templates have them."""
SIGNAL_EARLY = 60
"""Seconds by which SLURM may send its signal before it was asked to (sbatch, `--signal`)."""
_PLACE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Paths:
    """Where everything of one submission lies, all absolute.

    folder: its scripts, logs and the files that its jobs read. cache: the cache's folder. token: a
    file in the cache that a node has to see, as else it would fill a cache of its own. out: the
    folder of the report. environment: the folder of the `a2pipe` command, for jobs that have no
    setup of their own.
    """

    folder: Path
    cache: Path
    token: Path
    out: Path
    environment: Path

    def log(self, name: str) -> Path:
        """Return the path of a job's log."""
        return self.folder / "logs" / f"{name}.log"


def task_script(
    system: BatchSystem, cluster: Cluster, deal: Deal, array: TaskArray, name: str, paths: Paths
) -> str:
    """Return the script of an array of tasks, each of which computes its share of what is missing.

    name: the experiment's.
    """
    job = Job(
        name=_plain(name),
        log=str(paths.log(f"{array.name}-{{task}}")),
        queue=cluster.queue,
        gpus=cluster.gpus,
        directives=cluster.directives,
        tasks=system.tasks(array),
    )
    seconds = cluster.seconds - cluster.stop_before
    values = _common(system, cluster, job, paths) | {
        "rank": system.rank(array),
        "world": str(deal.world_size),
        "limit": f"timeout {seconds} " if system.limited else "",
        "half": str(max(0, (seconds - SIGNAL_EARLY) // 2)),
    }
    # Put in before the places are filled, as they have places of their own.
    script = _template("task.sh")
    for place, template in (("again", system.again), ("progress", "progress.sh")):
        script = script.replace(f"{{{{{place}}}}}", _template(template).rstrip("\n"))
    return _fill(script, values)


def finish_script(
    system: BatchSystem, cluster: Cluster, name: str, paths: Paths, resubmit: int
) -> str:
    """Return the script of the job that follows: heads and matrix, or what is missing once more."""
    job = Job(
        name=_plain(f"{name}-finish"),
        log=str(paths.log("finish")),
        queue=cluster.finish_queue or cluster.queue,
        gpus=0,
        directives=cluster.finish_directives,
    )
    values = _common(system, cluster, job, paths) | {
        "out": quote(str(paths.out)),
        "resubmit": str(resubmit),
    }
    return _fill(_template("finish.sh"), values)


def _common(system: BatchSystem, cluster: Cluster, job: Job, paths: Paths) -> dict[str, str]:
    """Return what both scripts have in their places."""
    # Without a setup, jobs run in the environment of the a2pipe that submits them.
    own = f"export PATH={quote(str(paths.environment))}:$PATH"
    return {
        "options": "\n".join(system.options(job, cluster)),
        "setup": "\n".join(cluster.setup) or own,
        "cores": str(cluster.cores),
        "cache": quote(str(paths.cache)),
        "token": quote(str(paths.token)),
        "folder": quote(str(paths.folder)),
    }


def _template(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _fill(template: str, values: dict[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], template)


def _plain(name: str) -> str:
    """Return a name that every system takes."""
    return re.sub(r"[^\w.-]+", "-", name)
