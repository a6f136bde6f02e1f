"""A Dask worker opens the experiment on the cache once, and computes shards of its plan.

A request and a report are plain JSON values. What is large, models and pixels and rows, is read and
written by the worker itself.
"""

import copy
import errno
import hashlib
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from pydantic import TypeAdapter

from ....cache.fingerprint import fingerprint
from ....errors import A2pipeError, first_line
from ....version import __version__
from ...experiment.load import anchored
from ...experiment.schema import Experiment
from ...planning.plan import STAGES, Plan, Stored
from ...session import open_session
from ...shards.local import LocalExecutor
from ...shards.progress import SilentProgress
from ...shards.stats import RunStats
from ...shards.task import Task, prepare

Request = Mapping[str, Any]
Cause = Literal["", "shard", "worker", "disk"]
_FULL = (errno.ENOSPC, errno.EDQUOT)
# A device holds one task, however many threads a worker that somebody else started may have.
_one_at_a_time = Lock()
_executor = LocalExecutor(lasting=True)
_opened: dict[str, Task] = {}
"""Only the task of the last run is kept, by the name of the run."""


@dataclass(frozen=True)
class Report:
    """A report says what came of some shards.

    stats: what was done. undone: the shards that are not. cause: what the error is about: these
    shards, this worker, or the disk that all workers write to. error: the sentence. host, worker:
    the name of the machine and the address of the worker.
    """

    stats: RunStats
    undone: tuple[int, ...] = ()
    cause: Cause = ""
    error: str = ""
    host: str = ""
    worker: str = ""


def report_from(content: Mapping[str, Any]) -> Report:
    """Return the report that a worker sent as a mapping."""
    return TypeAdapter(Report).validate_python(content)


def make_request(task: Task, run: str, decoders: int | None) -> Request:
    """Return the request for shards of a task.

    run: a name for this run, by which a worker knows whether it has opened the experiment already.
    decoders: decoding threads of a worker, for an experiment that does not say.
    """
    experiment, specs = task.plan.experiment, task.asked_for
    # This process has just hashed the files again, if it was told to; no worker need do so.
    read = experiment.dataset.model_copy(update={"rehash": False})
    how = experiment.run.model_copy(update={"workers": experiment.run.workers or decoders})
    experiment = experiment.model_copy(update={"dataset": read, "run": how})
    return {
        "run": run,
        "version": __version__,
        "experiment": experiment.model_dump(mode="json", exclude_unset=True),
        "folder": str(Path.cwd()),
        "cache": str(task.cache.root),
        "through": max((spec.stage for spec in specs), key=STAGES.index),
        "plan": _digest(task.plan, specs),
    }


def compute_shards(request: Request, shards: Sequence[int]) -> dict[str, Any]:
    """Compute shards of a request's plan on this worker, and return a `Report` as a mapping.

    Nothing is raised: an error is part of the report. Only an error of Dask itself, or a worker
    that lacks this module, fails the task.
    """
    from distributed import get_worker

    address = str(get_worker().address)
    with _one_at_a_time:
        report, task = Report(RunStats(), host=socket.gethostname(), worker=address), None
        try:
            task = _open(request)
            part = task.only(shards)
            if part.shards:
                _executor.compute(part, SilentProgress(), report.stats)
        except Exception as error:
            undone = task.only(shards).shards if task else shards
            report = _failed(report, undone, "shard" if task else "worker", error)
    return asdict(report)


def _failed(report: Report, undone: Sequence[int], cause: Cause, error: Exception) -> Report:
    """Return the report with an error, which is about the disk if that is full."""
    if any(getattr(each, "errno", 0) in _FULL for each in (error, error.__cause__)):
        cause = "disk"
    known = isinstance(error, A2pipeError)
    words = str(error) if known else f"{type(error).__name__}: {first_line(error)}"
    return replace(report, undone=tuple(undone), cause=cause, error=words)


def _open(request: Request) -> Task:
    """Return the task of a request as this worker sees it, and keep it until another run comes.

    Raises:
        A2pipeError: this worker has another a2pipe, or sees another dataset or other weights.
    """
    if request["run"] in _opened:
        return _opened[request["run"]]
    _opened.clear()
    if request["version"] != __version__:
        raise A2pipeError(
            f"The worker has a2pipe {__version__}, the run a2pipe {request['version']}: "
            "install the same on both."
        )
    experiment = anchored(copy.deepcopy(request["experiment"]), Path(request["folder"]))
    session = open_session(Experiment.model_validate(experiment), request["cache"])
    specs = session.plan.specs(request["through"])
    if _digest(session.plan, specs) != request["plan"]:
        raise A2pipeError(
            "The worker sees other images or other weights under the same names: "
            "give it the same files."
        )
    return _opened.setdefault(request["run"], prepare(session.plan, session.cache, specs))


def _digest(plan: Plan, specs: Iterable[Stored]) -> str:
    """Return a digest of the addresses of all rows, on which a worker has to agree."""
    words = [plan.collection.digest, *map(fingerprint, specs)]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:32]
