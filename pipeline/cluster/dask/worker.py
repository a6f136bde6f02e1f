"""What a Dask worker does: open the experiment on the cache once, compute shards of its plan.

A request and a report are plain JSON values. Whatever is large, models and pixels and rows, is read
and written by the worker itself.
"""

from __future__ import annotations

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
from ...experiment.schema import Experiment
from ...experiment.toml import anchored
from ...planning.plan import STAGES, Plan, Stored
from ...session import open_session
from ...shards.local import LocalExecutor
from ...shards.progress import SilentProgress
from ...shards.stats import RunStats
from ...shards.task import Task, prepare

Request = Mapping[str, Any]
Cause = Literal["", "shard", "worker", "disk"]
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Report:
    """What came of some shards: counts, which of them are not done, and why.

    cause: what the error is about: this shard alone, this worker, or the disk they all write to.
    """

    stats: RunStats
    undone: tuple[int, ...] = ()
    cause: Cause = ""
    error: str = ""
    host: str = ""
    worker: str = ""


def report_from(content: Mapping[str, Any]) -> Report:
    """The report that a worker sent as a mapping."""
    return TypeAdapter(Report).validate_python(content)


_one_at_a_time = Lock()
_opened: dict[str, Task] = {}
_executor = LocalExecutor()


def make_request(task: Task, run: str, decoders: int | None) -> Request:
    """The request for shards of a task.

    run: a name for this run, by which a worker knows whether it has opened the experiment before.
    decoders: decoding threads of a worker, where the experiment does not say.
    """
    experiment, specs = task.plan.experiment, asked_for(task.artifacts)
    read = experiment.dataset.model_copy(update={"rehash": False})  # this process just did
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


def asked_for(specs: Iterable[Stored]) -> list[Stored]:
    """Without canvases, which are stored where a model needs them and are no reason to compute."""
    return [spec for spec in specs if not spec.only_when_read]


def compute_shards(request: Request, shards: Sequence[int]) -> dict[str, Any]:
    """Compute shards of a request's plan on this worker; returns a `Report` as a mapping.

    However many threads the worker has, one shard after the other: a device holds one task.
    """
    with _one_at_a_time:
        try:
            task = _open(request)
        except Exception as error:
            return asdict(_report(RunStats(), shards, error, "worker"))
        return asdict(_compute(task, shards))


def _compute(task: Task, shards: Sequence[int]) -> Report:
    stats = RunStats()
    failure: Exception | None = None
    try:
        part = _only(task, shards)
        if part.shards:
            _executor.compute(part, SilentProgress(), stats)
    except Exception as error:
        failure = error
    undone = _only(task, shards).shards if failure else ()
    return _report(stats, undone, failure, "shard")


def _report(
    stats: RunStats, undone: Sequence[int], error: Exception | None, cause: Cause
) -> Report:
    if error is None:
        return Report(stats, host=socket.gethostname(), worker=_address())
    if any(getattr(each, "errno", 0) in _FULL for each in (error, error.__cause__)):
        cause = "disk"
    words = str(error) if isinstance(error, A2pipeError) else _words(error)
    return Report(stats, tuple(undone), cause, words, socket.gethostname(), _address())


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


def _address() -> str:
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return ""


def _only(task: Task, shards: Iterable[int]) -> Task:
    """The part of a task that these shards are, without what is done by now."""
    missing = {
        spec: {number for number in shards if not artifact.has(number)}
        for spec, artifact in task.artifacts.items()
    }
    lacking = set().union(*(missing[spec] for spec in asked_for(missing)))
    return replace(task, missing=missing, shards=sorted(lacking))


def _open(request: Request) -> Task:
    """The experiment as this worker sees it; kept until another run comes.

    Raises:
        A2pipeError: this worker has another a2pipe, or sees another dataset or other weights.
    """
    if request["run"] not in _opened:
        _opened.clear()
        if request["version"] != __version__:
            raise A2pipeError(
                f"The worker has a2pipe {__version__}, the run a2pipe {request['version']}: "
                "install the same on both."
            )
        _opened[request["run"]] = _opened_by(request)
    return _opened[request["run"]]


def _opened_by(request: Request) -> Task:
    experiment = anchored(copy.deepcopy(request["experiment"]), Path(request["folder"]))
    session = open_session(Experiment.model_validate(experiment), request["cache"])
    specs = session.plan.specs(request["through"])
    if _digest(session.plan, specs) != request["plan"]:
        raise A2pipeError(
            "The worker sees other images or other weights under the same names: "
            "give it the same files."
        )
    return prepare(session.plan, session.cache, specs)


def _digest(plan: Plan, specs: Iterable[Stored]) -> str:
    """What a worker has to agree on: the addresses of all rows."""
    words = [plan.collection.digest, *map(fingerprint, specs)]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:32]
