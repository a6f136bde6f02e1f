"""Where shards are computed: what an executor is, and which one was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...errors import UsageError

if TYPE_CHECKING:
    from ...cache.catalog import Cache
    from .progress import Progress
    from .stats import RunStats
    from .task import Task


class Executor(Protocol):
    """Computes the shards of a task somewhere and adds what that took to the counts."""

    def compute(self, task: Task, cache: Cache, progress: Progress, stats: RunStats) -> None: ...


@dataclass(frozen=True)
class Place:
    """A Dask cluster: one that runs, one of this machine's processes, or one of a batch system's.

    scheduler: the address of the first; workers: processes of the second; cluster: the file that
    describes the third. One of them is given.
    """

    scheduler: str = ""
    workers: int = 0
    cluster: Path | None = None


def make_executor(place: Place | None) -> Executor | None:
    """The executor for a place; None, which is this process, for none.

    Raises:
        UsageError: the packages for it are not installed, or the cluster's file is wrong.
        A2pipeError: nothing answers at the scheduler's address.
    """
    if place is None:
        return None
    try:
        import distributed  # noqa: F401

        if place.cluster:
            import dask_jobqueue  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"Dask workers need a package that is not installed ({error.name}): "
            "run `pip install a2pipe[cluster]`."
        ) from error
    from ..cluster.dask.clusters import JobWorkers, LocalWorkers, RunningWorkers
    from ..cluster.dask.run import DaskExecutor
    from ..cluster.description import load_cluster

    if place.cluster:
        return DaskExecutor(JobWorkers(load_cluster(place.cluster)))
    if place.scheduler:
        return DaskExecutor(RunningWorkers(place.scheduler).checked())
    return DaskExecutor(LocalWorkers(place.workers))
