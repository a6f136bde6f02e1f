"""A Dask worker opens the experiment on the cache once, and computes shards of its plan."""

import copy
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any

from ....cache.fingerprint import fingerprint
from ....errors import A2pipeError
from ....version import __version__
from ...experiment.load import anchored
from ...experiment.schema import Experiment
from ...planning.plan import STAGES, Plan, Stored
from ...session import open_session
from ...shards.local import LocalExecutor
from ...shards.progress import SilentProgress
from ...shards.request import Request, compute_reported, experiment_for
from ...shards.stats import RunStats
from ...shards.task import Task, prepare

# A device holds one task, however many threads a worker that somebody else started may have.
_one_at_a_time = Lock()
_executor = LocalExecutor(lasting=True)
_opened: dict[str, Task] = {}
"""Only the task of the last run is kept, by the name of the run."""


def make_request(task: Task, run: str, decoders: int | None) -> Request:
    """Return the request for shards of a task.

    run: a name for this run, by which a worker knows whether it has opened the experiment already.
    decoders: decoding processes of a worker, for an experiment that does not say.
    """
    specs = task.asked_for
    return {
        "run": run,
        "version": __version__,
        "experiment": experiment_for(task, decoders),
        "folder": str(Path.cwd()),
        "cache": str(task.cache.root),
        "stages": sorted({spec.stage for spec in specs}, key=STAGES.index),
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
        report = compute_reported(
            lambda: _open(request), shards, _executor, SilentProgress(), RunStats()
        )
    return asdict(replace(report, worker=address))


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
    specs = session.plan.specs_of(request["stages"])
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
