"""Batch systems: how each is told what a job may use, and how a script is handed to it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import UsageError
from ..description import Cluster


@dataclass(frozen=True)
class Job:
    """What a system has to know of a job: its name, its log, and which tasks it has, if several.

    log: a path with {task} where the number of a task goes.
    """

    name: str
    log: str
    tasks: tuple[int, ...] | None = None


@dataclass(frozen=True)
class BatchSystem:
    """One batch system.

    options: the lines at the top of a script. task: the number of a task from 0, as the shell sees
    it. again: the template of what follows a task that was stopped. limited: whether the script
    itself ends the work before its time, as the system sends no signal. command: what submits a
    script after other jobs. job_id: the part of its answer that names the job. largest_array: tasks
    of an array unless the system says otherwise. dense: whether tasks are numbered without gaps, as
    the system knows ranges alone.
    """

    name: str
    options: Callable[[Job, Cluster], list[str]]
    task: str
    again: str
    limited: bool
    command: Callable[[Path, Sequence[str]], list[str]]
    job_id: re.Pattern[str]
    largest_array: int
    reads_stdin: bool = False
    dense: bool = False


def batch_system(cluster: Cluster) -> BatchSystem:
    """The system of a cluster.

    Raises:
        UsageError: scripts are not written for it.
    """
    if cluster.system not in SYSTEMS:
        raise UsageError(
            f"`a2pipe submit` writes scripts for {', '.join(SYSTEMS)}, not for {cluster.system}; "
            "`a2pipe run --rank R --world-size W` in a script of your own does the same work."
        )
    return SYSTEMS[cluster.system]


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as batch systems write them: 0,2,5-7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _given(lines: Sequence[tuple[str, object]]) -> list[str]:
    """Options as text, without those that have no value."""
    return [f"{option}{value}" for option, value in lines if value not in ("", None)]


def _log(job: Job, task: str) -> str:
    path = job.log.replace("{task}", task)
    return shlex.quote(path) if " " in path else path


def _queue(job: Job, cluster: Cluster) -> str:
    return cluster.queue if job.tasks is not None else cluster.finish_queue or cluster.queue


def _directives(job: Job, cluster: Cluster) -> tuple[str, ...]:
    return cluster.directives if job.tasks is not None else cluster.finish_directives


def _gpus(job: Job, cluster: Cluster) -> int:
    return cluster.gpus if job.tasks is not None else 0


# --- SLURM --------------------------------------------------------------------------------------


def _slurm_options(job: Job, cluster: Cluster) -> list[str]:
    gpus = _gpus(job, cluster)
    lines = [
        ("--job-name=", job.name),
        ("--array=", _slurm_array(job, cluster)),
        ("--output=", _log(job, "%a")),
        ("--open-mode=", "append"),
        ("--partition=", _queue(job, cluster)),
        ("--account=", cluster.account),
        ("--time=", cluster.time),
        ("--nodes=", 1),
        ("--ntasks=", 1),
        ("--cpus-per-task=", cluster.cores),
        ("--mem=", cluster.memory.removesuffix("B")),
        ("--gres=gpu:", gpus or None),
        ("--signal=B:USR1@", cluster.stop_before if job.tasks is not None else None),
    ]
    options = [*_given(lines), "--requeue", *_directives(job, cluster)]
    return [f"#SBATCH {option}" for option in options]


def _slurm_array(job: Job, cluster: Cluster) -> str:
    if job.tasks is None:
        return ""
    return ranges(job.tasks) + (f"%{cluster.at_once}" if cluster.at_once else "")


def _slurm_command(script: Path, after: Sequence[str]) -> list[str]:
    waiting = [f"--dependency=afterany:{':'.join(after)}"] if after else []
    return ["sbatch", "--parsable", *waiting, str(script)]


# --- PBS ----------------------------------------------------------------------------------------


def _pbs_options(job: Job, cluster: Cluster) -> list[str]:
    gpus = _gpus(job, cluster)
    array = _pbs_array(job, cluster)
    select = f"1:ncpus={cluster.cores}:mem={cluster.memory.lower()}"
    lines = [
        ("-N ", job.name[:15]),
        ("-J ", array),
        ("-o ", _log(job, "^array_index^" if array else "0")),
        ("-j ", "oe"),
        ("-q ", _queue(job, cluster)),
        ("-A ", cluster.account),
        ("-l walltime=", cluster.clock),
        ("-l select=", select + (f":ngpus={gpus}" if gpus else "")),
        ("-r ", "y"),
    ]
    return [f"#PBS {option}" for option in (*_given(lines), "-V", *_directives(job, cluster))]


def _pbs_array(job: Job, cluster: Cluster) -> str:
    """A range, as PBS knows no lists; nothing for one task, of which PBS makes no array."""
    if job.tasks is None or len(job.tasks) == 1:
        return ""
    return f"0-{job.tasks[-1]}" + (f"%{cluster.at_once}" if cluster.at_once else "")


def _pbs_command(script: Path, after: Sequence[str]) -> list[str]:
    waiting = ["-W", f"depend=afterany:{':'.join(after)}"] if after else []
    return ["qsub", *waiting, str(script)]


# --- LSF ----------------------------------------------------------------------------------------


def _lsf_options(job: Job, cluster: Cluster) -> list[str]:
    gpus, is_array = _gpus(job, cluster), job.tasks is not None
    lines = [
        ("-J ", f'"{job.name}{_lsf_array(job, cluster)}"'),
        ("-o ", _log(job, "%I")),
        ("-q ", _queue(job, cluster)),
        ("-P ", cluster.account),
        ("-W ", cluster.clock.rpartition(":")[0]),
        ("-n ", cluster.cores),
        ("-R ", f'"span[hosts=1] rusage[mem={cluster.memory}]"'),
        ("-M ", cluster.memory),
        ("-gpu ", f'"num={gpus}"' if gpus else None),
        ("-Q ", 99 if is_array else None),
    ]
    return [f"#BSUB {option}" for option in (*_given(lines), "-r", *_directives(job, cluster))]


def _lsf_array(job: Job, cluster: Cluster) -> str:
    """Tasks of LSF are counted from 1."""
    if job.tasks is None:
        return ""
    numbers = ranges([task + 1 for task in job.tasks])
    return f"[{numbers}]" + (f"%{cluster.at_once}" if cluster.at_once else "")


def _lsf_command(_: Path, after: Sequence[str]) -> list[str]:
    waiting = ["-w", " && ".join(f"ended({job})" for job in after)] if after else []
    return ["bsub", *waiting]


SLURM = BatchSystem(
    name="slurm",
    options=_slurm_options,
    task="SLURM_ARRAY_TASK_ID",
    again="slurm-again.sh",
    limited=False,
    command=_slurm_command,
    job_id=re.compile(r"^(\d+)(?:;.*)?$", re.MULTILINE),
    largest_array=1001,
)
PBS = BatchSystem(
    name="pbs",
    options=_pbs_options,
    task="${PBS_ARRAY_INDEX:-0}",
    again="pbs-again.sh",
    limited=True,
    command=_pbs_command,
    job_id=re.compile(r"^(\d+\S*)$", re.MULTILINE),
    largest_array=10_000,
    dense=True,
)
LSF = BatchSystem(
    name="lsf",
    options=_lsf_options,
    task="LSB_JOBINDEX - 1",
    again="lsf-again.sh",
    limited=True,
    command=_lsf_command,
    job_id=re.compile(r"^Job <(\d+)>", re.MULTILINE),
    largest_array=1000,
    reads_stdin=True,
)
SYSTEMS = {system.name: system for system in (SLURM, PBS, LSF)}
