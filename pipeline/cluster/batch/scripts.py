"""The scripts of a submission are templates filled with what a cluster and an experiment say."""

import re
import sys
from importlib.resources import files
from pathlib import Path
from shlex import quote

from ..description import Cluster
from .deal import TaskArray
from .jobs import Submission, record_path
from .system import Job

EXPERIMENT, CLUSTER, FINISH = "experiment.toml", "cluster.toml", "finish.sh"
"""Jobs read files of these names, as the templates have them."""
SIGNAL_EARLY = 60
"""SLURM may send its signal so many seconds before it was asked to (sbatch, `--signal`)."""
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def task_script(
    submission: Submission, array: TaskArray, cluster: Cluster, cache_root: Path, processes: int = 1
) -> str:
    """Return the script of an array of tasks, each of which computes its share of what is missing.

    submission: what is submitted; its jobs are not known yet. array: one of its arrays. cluster:
    what a job may use. cache_root: the cache's folder, absolute. processes: how many processes
    share the work of a task.
    """
    system = submission.batch_system
    job = Job(
        name=_plain(submission.experiment),
        log=str(submission.log_of(f"{array.name}-{{task}}")),
        queue=cluster.queue,
        gpus=cluster.gpus,
        directives=cluster.directives,
        tasks=system.tasks(array),
    )
    seconds = cluster.seconds - cluster.stop_before
    values = _common(submission, cluster, job, cache_root) | {
        "rank": system.rank(array),
        "block": f", divided by {processes} and rounded down," if processes > 1 else "",
        "shard": f"int($0 / {processes})" if processes > 1 else "($0 + 0)",
        "world": str(submission.world_size),
        "limit": f"timeout {seconds} " if system.limited else "",
        "half": str(max(0, (seconds - SIGNAL_EARLY) // 2)),
    }
    # Put in before the places are filled, as they have places of their own.
    script = _template("task.sh")
    for place, template in (("again", system.again), ("progress", "progress.sh")):
        script = script.replace(f"{{{{{place}}}}}", _template(template).rstrip("\n"))
    return _fill(script, values)


def finish_script(submission: Submission, cluster: Cluster, cache_root: Path) -> str:
    """Return the script of the job that follows: heads and matrix, or what is missing once more.

    For the parameters see `task_script`.
    """
    job = Job(
        name=_plain(f"{submission.experiment}-finish"),
        log=str(submission.finish_log),
        queue=cluster.finish_queue or cluster.queue,
        gpus=0,
        directives=cluster.finish_directives,
    )
    values = _common(submission, cluster, job, cache_root) | {
        "out": quote(str(submission.out)),
        "resubmit": str(submission.resubmit),
    }
    return _fill(_template("finish.sh"), values)


def _common(submission: Submission, cluster: Cluster, job: Job, cache_root: Path) -> dict[str, str]:
    """Return what both scripts have in their places."""
    # Without a setup, jobs run in the environment of the a2pipe that submits them.
    own = f"export PATH={quote(str(Path(sys.executable).parent))}:$PATH"
    # A node has to see this file: else it would fill a cache of its own, that nobody reads.
    token = record_path(cache_root, submission.experiment, submission.id)
    return {
        "options": "\n".join(submission.batch_system.options(job, cluster)),
        "setup": "\n".join(cluster.setup) or own,
        "cores": str(cluster.cores),
        "cache": quote(str(cache_root)),
        "token": quote(str(token)),
        "folder": quote(str(submission.folder)),
    }


def _template(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _fill(template: str, values: dict[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], template)


def _plain(name: str) -> str:
    """Return a name that every system takes."""
    return re.sub(r"[^\w.-]+", "-", name)
