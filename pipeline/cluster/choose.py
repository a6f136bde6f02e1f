"""Choose an executor: this process, or Dask workers of one of three kinds."""

from functools import partial
from pathlib import Path

from ...errors import UsageError
from ..shards.executor import Executor
from ..shards.local import LocalExecutor
from .description import load_cluster


def make_executor(
    *, scheduler: str = "", local_workers: int = 0, cluster: Path | str | None = None
) -> Executor:
    """Return an executor; without arguments, the one that computes in this process.

    scheduler: the address of a Dask scheduler that runs already, such as "tcp://node1:8786"; its
    workers compute. local_workers: how many Dask workers to start on this machine for each run.
    cluster: a TOML file that describes a batch system, whose jobs become Dask workers for a run.

    Raises:
        UsageError: several are given, their packages are not installed, or the file is wrong.
        A2pipeError: no scheduler answers at the address.
    """
    if sum(map(bool, (scheduler, local_workers, cluster))) > 1:
        raise UsageError("Give one of scheduler, local_workers and cluster.")
    if not (scheduler or local_workers or cluster):
        return LocalExecutor()
    _require_dask(jobs=bool(cluster))
    from .dask import clusters, jobqueue
    from .dask.run import DaskExecutor

    if cluster:
        return DaskExecutor(partial(jobqueue.job_workers, load_cluster(Path(cluster))))
    if local_workers:
        return DaskExecutor(partial(clusters.local_workers, local_workers))
    clusters.check_scheduler(scheduler)  # before a dataset is read, which may take long
    return DaskExecutor(partial(clusters.running_workers, scheduler))


def _require_dask(jobs: bool) -> None:
    """Raise UsageError if the packages for Dask workers, or for jobs, are not installed."""
    try:
        import distributed  # noqa: F401

        if jobs:
            import dask_jobqueue  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"Dask workers need a package that is not installed ({error.name}): "
            "run `pip install a2pipe[cluster]`."
        ) from error
