"""A batch system is asked for a job, handed its script, and asked how that went.

Each system has a file of its own, which alone knows the system's words; `systems` lists them.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..description import Cluster
from .deal import TaskArray

JobStates = dict[tuple[str, int | None], str]
"""JobStates has the state of each job, or task of an array of jobs, in SLURM's words, by job and
task number."""


class QueueError(Exception):
    """The command that shows the queue is there and fails, for the reason in the message."""


@dataclass(frozen=True)
class Job:
    """A Job is what a system has to know of one job besides the cluster's description.

    name: its name in the queue. log: the path of its log, with {task} where the number of a task
    goes. queue, gpus, directives: as in the description. tasks: the numbers that the system gives
    its tasks, ascending; None for a job that is no array.
    """

    name: str
    log: str
    queue: str
    gpus: int
    directives: Sequence[str]
    tasks: Sequence[int] | None = None

    def log_of(self, task: str) -> str:
        """Return the path of the log, quoted where it has spaces, for the number of a task."""
        path = self.log.replace("{task}", task)
        return shlex.quote(path) if " " in path else path


def _nothing_told(_: Sequence[str]) -> JobStates:
    return {}


@dataclass(frozen=True)
class BatchSystem:
    """A BatchSystem says how one batch system is spoken to.

    name: as in a cluster's description.
    options: the lines at the top of a job's script.
    tasks: the numbers that the system gives the tasks of an array, in the order of their ranks.
    rank: the lines of bash by which a task finds its rank.
    again: the template of what follows a task that was stopped.
    limited: whether the script itself ends the work before its time, as the system sends no signal.
    command: the command that submits a script, to start after the end of other jobs.
    job_id: the part of its answer that names the job.
    largest_array: how many tasks an array may have; raises UsageError if the system takes none.
    reads_stdin: whether the command takes the script from standard input instead of by its path.
    states: what the system says of these jobs and their tasks; nothing where it does not tell.
    queued: likewise of those that wait or run; raises QueueError where it ought to tell and fails.
    tells_states: whether the system is asked, so that one can wait for the end of a job.
    cancel: the command that cancels jobs.
    environment: the variables with which a script is submitted, from those of this process.
    """

    name: str
    options: Callable[[Job, Cluster], list[str]]
    tasks: Callable[[TaskArray], Sequence[int]]
    rank: Callable[[TaskArray], str]
    again: str
    limited: bool
    command: Callable[[Path, Sequence[str]], list[str]]
    job_id: re.Pattern[str]
    largest_array: Callable[[], int]
    reads_stdin: bool = False
    states: Callable[[Sequence[str]], JobStates] = _nothing_told
    queued: Callable[[Sequence[str]], JobStates] = _nothing_told
    tells_states: bool = False
    cancel: str = ""
    environment: Callable[[Mapping[str, str]], dict[str, str]] = dict


def ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as batch systems write them: 0,2,5-7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def at_once(cluster: Cluster) -> str:
    """Return the end of an array's numbers that says how many of its tasks may run together."""
    return f"%{cluster.at_once}" if cluster.at_once else ""


def with_values(lines: Sequence[tuple[str, object]]) -> list[str]:
    """Return options as text, without those that have no value."""
    return [f"{option}{value}" for option, value in lines if value not in ("", None)]


def rank_from(task: str, array: TaskArray) -> str:
    """Return the line of bash that adds the number of a task, counted from 0, to the first rank."""
    return f"rank=$(({array.first} + {task}))" if array.first else f"rank=$(({task}))"
