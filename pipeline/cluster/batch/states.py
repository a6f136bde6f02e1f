"""The batch system tells what became of submitted jobs; where it does not, their logs do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .jobs import Submission
from .logs import exit_code, last_error

# SLURM has more states than are listed; one that is unknown here counts as not over, as failed.
OVER = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL"}
OVER |= {"DEADLINE", "PREEMPTED", "REVOKED", "UNKNOWN"}
FINE = {"COMPLETED", "PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "REQUEUED", "SUSPENDED"}


@dataclass(frozen=True)
class TaskState:
    """A TaskState says what became of one task.

    rank: its rank; None for the finishing job. job: the system's name of it. state: its state in
    the words of SLURM, which serve for every system; UNKNOWN where neither the system nor the log
    tells. log: the path of its log.
    """

    rank: int | None
    job: str
    state: str
    log: Path

    @property
    def is_over(self) -> bool:
        """Return whether the task has ended, or nobody can tell what it does."""
        return self.state in OVER

    @property
    def has_failed(self) -> bool:
        """Return whether the task ended without success, or nobody can tell how."""
        return self.state not in FINE


def task_states(submission: Submission) -> list[TaskState]:
    """Return the state of every task that was handed over, the finishing job's last."""
    told = submission.batch_system.states(submission.jobs)
    found = []
    # Jobs may be fewer than arrays: those behind a refused script were not handed over.
    for array, job in zip(submission.arrays, submission.jobs, strict=False):
        tasks = submission.batch_system.tasks(array)
        for rank, task in zip(array.ranks, tasks, strict=True):
            log = submission.log(rank)
            state = told.get((job, task)) or _state_in(log)
            found.append(TaskState(rank, f"{job}_{task}", state, log))
    if (finish := submission.finish_job) is not None:
        log = submission.finish_log
        found.append(TaskState(None, finish, told.get((finish, None)) or _state_in(log), log))
    return found


def _state_in(log: Path) -> str:
    code = exit_code(log)
    return "UNKNOWN" if code is None else "FAILED" if code else "COMPLETED"


def active(submission: Submission) -> list[str]:
    """Return the arrays of which a task waits or runs; none where the system is not asked.

    Raises:
        QueueError: the system does not tell, however often it is asked.
    """
    arrays = submission.jobs[: len(submission.arrays)]
    states = submission.batch_system.queued(arrays)
    waiting = {job for (job, _), state in states.items() if state not in OVER}
    return [job for job in arrays if job in waiting]


def summary(submission: Submission, states: Sequence[TaskState]) -> dict[str, Any]:
    """Return one line on a submission: how many tasks are in which state, and the finishing job."""
    counts = Counter(state.state.lower() for state in states if state.rank is not None)
    finish = next((state for state in states if state.rank is None), None)
    return {
        "submission": submission.id,
        "experiment": submission.experiment,
        "jobs": " ".join(submission.jobs),
        "tasks": ", ".join(f"{count} {state}" for state, count in counts.items()) or "none",
        "finish": finish.state.lower() if finish else "not submitted",
        "folder": str(submission.folder),
    }


def failures(states: Sequence[TaskState]) -> list[dict[str, Any]]:
    """Return one line for each task that failed, with the last error of its log."""
    return [
        {
            "task": "finish" if state.rank is None else state.rank,
            "job": state.job,
            "state": state.state.lower(),
            "last_error": last_error(state.log),
        }
        for state in states
        if state.has_failed
    ]
