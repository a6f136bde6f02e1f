"""SLURM's `sbatch` takes arrays with gaps; `squeue` and `sacct` tell what became of a task."""

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from ....errors import UsageError, first_line
from ..description import Cluster
from .system import BatchSystem, Job, JobStates, QueueError, at_once, ranges, rank_from, with_values

PATIENCE = 60.0
"""A command that looks at SLURM has to answer within so many seconds."""
TIMES_ASKED, SECONDS_BETWEEN = 4, 5.0
"""A controller that is busy, or starts anew, answers a little later."""
DEFAULT_LARGEST_ARRAY = 1001
"""This is SLURM's own default of MaxArraySize."""
_QUEUE = ["squeue", "--noheader", "--array", "--states=all", "--format=%F|%K|%T"]
_ACCOUNTS = ["sacct", "--allocations", "--noheader", "--parsable2", "--format=JobID,State"]
_FORGOTTEN = "Invalid job id specified"
_TASK = re.compile(r"^(\d+)(?:_(\d+))?$")


def _options(job: Job, cluster: Cluster) -> list[str]:
    is_array = job.tasks is not None
    lines = [
        ("--job-name=", job.name),
        ("--array=", ranges(job.tasks) + at_once(cluster) if job.tasks is not None else ""),
        ("--output=", job.log_of("%a")),
        # A task that goes back into the queue adds to its log, which is needed to see why.
        ("--open-mode=", "append"),
        ("--partition=", job.queue),
        ("--account=", cluster.account),
        ("--time=", cluster.time),
        ("--nodes=", 1),
        ("--ntasks=", 1),
        ("--cpus-per-task=", cluster.cores),
        ("--mem=", cluster.memory.removesuffix("B")),
        ("--gres=gpu:", job.gpus or None),
        # B: to the script's shell, whose trap passes it on; without it to job steps alone.
        ("--signal=B:USR1@", cluster.stop_before if is_array else None),
    ]
    options = [*with_values(lines), "--requeue", *job.directives]
    return [f"#SBATCH {option}" for option in options]


def _command(script: Path, after: Sequence[str]) -> list[str]:
    # afterany: the finishing job is to run however the tasks ended, as it says what is missing.
    waiting = [f"--dependency=afterany:{':'.join(after)}"] if after else []
    return ["sbatch", "--parsable", *waiting, str(script)]


def _outside_of_jobs(variables: Mapping[str, str]) -> dict[str, str]:
    """Drop a job's own variables, which a finishing job that submits again would hand on, and which
    are not true of the new job."""
    return {k: v for k, v in variables.items() if not k.startswith("SLURM_") or k == "SLURM_CONF"}


def _largest_array() -> int:
    """Return the MaxArraySize of this SLURM, or the default where it does not tell."""
    largest = DEFAULT_LARGEST_ARRAY
    with suppress(QueueError, StopIteration, ValueError):
        lines = _answer(["scontrol", "show", "config"])
        line = next(line for line in lines if line.startswith("MaxArraySize"))
        largest = int(line.rpartition("=")[2])
    if largest == 0:
        raise UsageError(
            "SLURM takes no arrays of jobs here (MaxArraySize = 0); `a2pipe run --rank R "
            "--world-size W` in scripts of your own does the same work."
        )
    return largest


def _states(jobs: Sequence[str]) -> JobStates:
    """Ask the accounting, where it is kept, and the queue, which forgets a job minutes after its
    end but is the fresher of the two as long as it knows it."""
    if not jobs:
        return {}
    asked = f"--jobs={','.join(jobs)}"
    return _in_accounts(_said([*_ACCOUNTS, asked])) | _in_queue(_said([*_QUEUE, asked]))


def _queued(jobs: Sequence[str]) -> JobStates:
    """Ask the queue several times: that it does not answer is no leave to submit a second time."""
    if not jobs:
        return {}
    command = [*_QUEUE, f"--jobs={','.join(jobs)}"]
    for _ in range(TIMES_ASKED - 1):
        with suppress(QueueError):
            return _in_queue(_answer(command))
        time.sleep(SECONDS_BETWEEN)
    return _in_queue(_answer(command))


def _in_queue(lines: Sequence[str]) -> JobStates:
    found: JobStates = {}
    for line in lines:
        job, task, state = line.split("|")
        found[job, int(task) if task.isdigit() else None] = state
    return found


def _in_accounts(lines: Sequence[str]) -> JobStates:
    found: JobStates = {}
    for line in lines:
        name, _, state = line.partition("|")
        # "CANCELLED by 1000" is CANCELLED; a line "20_[2-4]" is of tasks that only wait yet.
        if (match := _TASK.match(name)) and state:
            found[match[1], int(match[2]) if match[2] else None] = state.split()[0]
    return found


def _said(command: list[str]) -> list[str]:
    """Return the lines that a command prints; none where it is not there or fails."""
    with suppress(QueueError):
        return _answer(command)
    return []


def _answer(command: list[str]) -> list[str]:
    """Return the lines that a command prints; none where it is not there or knows no such job.

    Raises:
        QueueError: it fails for another reason, or does not answer.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except (FileNotFoundError, PermissionError):
        return []
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QueueError(first_line(error)) from error
    if done.returncode and _FORGOTTEN not in done.stderr:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise QueueError(said.splitlines()[-1])
    return done.stdout.splitlines()


SLURM = BatchSystem(
    name="slurm",
    options=_options,
    tasks=lambda array: array.tasks,
    rank=partial(rank_from, "SLURM_ARRAY_TASK_ID"),
    again="slurm-again.sh",
    limited=False,
    command=_command,
    job_id=re.compile(r"^(\d+)(?:;.*)?$", re.MULTILINE),
    largest_array=_largest_array,
    states=_states,
    queued=_queued,
    tells_states=True,
    cancel="scancel",
    environment=_outside_of_jobs,
)
