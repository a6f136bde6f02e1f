"""The choice of an executor: this process, or Dask workers of one of three kinds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError
from ..shards.executor import Executor
from ..shards.local import LocalExecutor
from .description import load_cluster


@dataclass(frozen=True)
class Place:
    """Where to compute: in this process, unless one of the fields is given.

    scheduler: the address of a Dask scheduler that runs already. workers: how many Dask workers to
    start on this machine. cluster: the TOML file of a batch system whose jobs are to be workers.
    """

    scheduler: str = ""
    workers: int = 0
    cluster: Path | None = None


def make_executor(place: Place) -> Executor:
    """Return the executor for a place.

    Raises:
        UsageError: the packages for it are not installed, or the cluster's file is wrong.
        A2pipeError: nothing answers at the scheduler's address.
    """
    if place == Place():
        return LocalExecutor()
    _require_dask(place)
    from .dask.clusters import JobWorkers, LocalWorkers, RunningWorkers
    from .dask.run import DaskExecutor

    if place.cluster:
        return DaskExecutor(JobWorkers(load_cluster(place.cluster)))
    if place.scheduler:
        return DaskExecutor(RunningWorkers(place.scheduler).checked())
    return DaskExecutor(LocalWorkers(place.workers))


def _require_dask(place: Place) -> None:
    try:
        import distributed  # noqa: F401

        if place.cluster:
            import dask_jobqueue  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"Dask workers need a package that is not installed ({error.name}): "
            "run `pip install a2pipe[cluster]`."
        ) from error
