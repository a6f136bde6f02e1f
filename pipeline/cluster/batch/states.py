"""What became of submitted jobs: what the batch system says, else what their logs say."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import first_line
from .jobs import Submission

OVER = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL"}
OVER |= {"DEADLINE", "PREEMPTED", "REVOKED", "UNKNOWN"}
FINE = {"COMPLETED", "PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "REQUEUED", "SUSPENDED"}
PATIENCE = 60.0
TIMES_ASKED, SECONDS_BETWEEN = 4, 5.0
"""A controller that is busy answers a little later."""
_QUEUE = ["squeue", "--noheader", "--array", "--states=all", "--format=%F|%K|%T"]
_FORGOTTEN = "Invalid job id specified"
_ENDED = re.compile(r"^(?:task \d+ of \d+|finish), .*: ended with exit code (\d+)$")
_OWN = re.compile(r"^(?:task \d+ of \d+|finish), \S+, [\dT:Z-]+: ")
_TASK = re.compile(r"^(\d+)(?:_(\d+))?$")
_Key = tuple[str, int | None]


class QueueError(Exception):
    """squeue is there and fails, for the reason in the message."""


@dataclass(frozen=True)
class TaskState:
    """One task: its rank (None: the finishing job), the system's name of it, and its state in the
    words of SLURM; UNKNOWN where neither the system nor the log tells."""

    rank: int | None
    job: str
    state: str
    log: Path

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def has_failed(self) -> bool:
        return self.state not in FINE


def task_states(submission: Submission) -> list[TaskState]:
    """The state of every task that was handed over, the finishing job's last."""
    told = _told(submission.jobs) if submission.system == "slurm" else {}
    return [
        TaskState(rank, job if task is None else f"{job}_{task}", _state(told, key, log), log)
        for rank, key, log in _tasks(submission)
        for job, task in [key]
    ]


def active(submission: Submission) -> list[str]:
    """The arrays of which a task waits or runs; none where the system is not SLURM.

    Raises:
        QueueError: SLURM does not tell, however often it is asked.
    """
    arrays = submission.jobs[: len(submission.parts)]
    told = _surely_queued(arrays) if submission.system == "slurm" and arrays else {}
    waiting = {job for (job, _), state in told.items() if state not in OVER}
    return [job for job in arrays if job in waiting]


def summary(submission: Submission, states: Sequence[TaskState]) -> dict[str, Any]:
    """One line on a submission: how many tasks are in which state, and the finishing job."""
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
    """One line a task that failed, with the last error of its log."""
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


def last_error(log: Path) -> str:
    """The last line of a log that is an error, else its last line; of a2pipe's own words none but
    errors are. Empty if there is no log."""
    lines = [line.strip() for line in _lines(log) if line.strip() and not _OWN.match(line)]
    errors = [line for line in lines if line.startswith("a2pipe: ") or "error" in line.lower()]
    return (errors or lines or [""])[-1]


def exit_code(log: Path) -> int | None:
    """The exit code that the last run of a job noted in its log; None if it noted none."""
    lines = _lines(log)
    begins = max((n for n, line in enumerate(lines) if line.endswith(": begins")), default=0)
    codes = [int(match[1]) for line in lines[begins:] if (match := _ENDED.match(line))]
    return codes[-1] if codes else None


def _tasks(submission: Submission) -> Iterator[tuple[int | None, _Key, Path]]:
    for part, job in zip(submission.parts, submission.jobs, strict=False):
        for rank in part.ranks:
            yield rank, (job, submission.number(part, rank)), submission.log(rank)
    if submission.finish_job:
        yield None, (submission.finish_job, None), submission.finish_log


def _state(told: Mapping[_Key, str], key: _Key, log: Path) -> str:
    if key in told:
        return told[key]
    code = exit_code(log)
    return "UNKNOWN" if code is None else "FAILED" if code else "COMPLETED"


def _told(jobs: Sequence[str]) -> dict[_Key, str]:
    """States by job and task: of the queue, and of the accounting where it is kept."""
    return _accounted(jobs) | _queued(jobs)


def _queued(jobs: Sequence[str]) -> dict[_Key, str]:
    """What squeue tells, which forgets a job some minutes after its end; nothing if it fails."""
    return _queue_states(_said([*_QUEUE, f"--jobs={','.join(jobs)}"] if jobs else []))


def _surely_queued(jobs: Sequence[str]) -> dict[_Key, str]:
    """What squeue tells; nothing where there is no squeue; QueueError if it keeps failing."""
    command = [*_QUEUE, f"--jobs={','.join(jobs)}"]
    for _ in range(TIMES_ASKED - 1):
        with suppress(QueueError):
            return _queue_states(_answered(command))
        time.sleep(SECONDS_BETWEEN)
    return _queue_states(_answered(command))


def _queue_states(lines: Sequence[str]) -> dict[_Key, str]:
    found = {}
    for line in lines:
        job, task, state = line.split("|")
        found[job, int(task) if task.isdigit() else None] = state
    return found


def _accounted(jobs: Sequence[str]) -> dict[_Key, str]:
    """What sacct tells, where accounting is kept."""
    command = ["sacct", "--allocations", "--noheader", "--parsable2", "--format=JobID,State"]
    found = {}
    for line in _said([*command, f"--jobs={','.join(jobs)}"] if jobs else []):
        name, _, state = line.partition("|")
        if (match := _TASK.match(name)) and state:
            found[match[1], int(match[2]) if match[2] else None] = state.split()[0]
    return found


def _said(command: list[str]) -> list[str]:
    """The lines that a command prints; none where it is not there or fails."""
    if not command:
        return []
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout.splitlines() if done.returncode == 0 else []
    return []


def _answered(command: list[str]) -> list[str]:
    """The lines that squeue prints; none where it is not there or knows none of the jobs.

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


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
