"""Another process is asked to compute shards in plain JSON, and reports in plain JSON.

What is large, models and pixels and rows, is read and written by that process itself.
"""

import errno
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import TypeAdapter

from ...errors import A2pipeError, first_line
from .executor import Executor
from .progress import Progress
from .stats import RunStats
from .task import Task

Request = Mapping[str, Any]
Cause = Literal["", "shard", "worker", "disk"]
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Report:
    """A report says what came of some shards.

    stats: what was done. undone: the shards that are not. cause: what the error is about: these
    shards, the process that was to compute them, or the disk that all processes write to. error:
    the sentence. host, worker: the name of the machine and the address of a Dask worker.
    """

    stats: RunStats
    undone: tuple[int, ...] = ()
    cause: Cause = ""
    error: str = ""
    host: str = ""
    worker: str = ""


def report_from(content: Mapping[str, Any]) -> Report:
    """Return the report that another process sent as a mapping."""
    return TypeAdapter(Report).validate_python(content)


def experiment_for(task: Task, decoders: int | None) -> dict[str, Any]:
    """Return the experiment of a task, as JSON, for another process that computes shards of it.

    decoders: how many images that process decodes at once, where the experiment does not say.
    """
    experiment = task.plan.experiment
    # This process has just hashed the files again, if it was told to; no other need do so.
    read = experiment.dataset.model_copy(update={"rehash": False})
    workers = experiment.run.workers or decoders
    # The other process has a device of its own, and starts none for other devices.
    run = experiment.run.model_copy(update={"workers": workers, "gpus": None})
    experiment = experiment.model_copy(update={"dataset": read, "run": run})
    content: dict[str, Any] = experiment.model_dump(mode="json", exclude_unset=True)
    return content


def compute_reported(
    opened: Callable[[], Task],
    shards: Sequence[int],
    executor: Executor,
    progress: Progress,
    stats: RunStats,
) -> Report:
    """Compute shards of the task that `opened` returns, and report what came of them.

    No `Exception` is raised: it becomes part of the report. What was done is added to `stats`.
    """
    report, task = Report(stats, host=socket.gethostname()), None
    try:
        task = opened()
        part = task.only(shards)
        if part.shards:
            executor.compute(part, progress, stats)
    except Exception as error:
        undone = task.only(shards).shards if task else shards
        return _failed(report, undone, "shard" if task else "worker", error)
    return report


def _failed(report: Report, undone: Sequence[int], cause: Cause, error: Exception) -> Report:
    """Return the report with an error, which is about the disk if that is full."""
    if any(getattr(each, "errno", 0) in _FULL for each in (error, error.__cause__)):
        cause = "disk"
    known = isinstance(error, A2pipeError)
    words = str(error) if known else f"{type(error).__name__}: {first_line(error)}"
    return replace(report, undone=tuple(undone), cause=cause, error=words)
