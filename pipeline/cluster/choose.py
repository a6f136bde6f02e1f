"""Choose an executor: this process, one a GPU, or Dask workers of one of three kinds."""

import signal
from functools import partial
from pathlib import Path

from ...errors import UsageError
from ..shards.executor import Executor
from ..shards.gpus.devices import Gpus, choose_gpus
from ..shards.gpus.executor import GpuExecutor
from ..shards.local import LocalExecutor
from .description import load_cluster


def make_executor(
    *,
    scheduler: str = "",
    local_workers: int = 0,
    cluster: Path | str | None = None,
    gpus: Gpus | None = None,
) -> Executor:
    """Return an executor; without arguments, the one that computes in this process.

    scheduler: the address of a Dask scheduler that runs already, such as "tcp://node1:8786"; its
    workers compute. local_workers: how many Dask workers to start on this machine for each run.
    cluster: a TOML file that describes a batch system, whose jobs become Dask workers for a run.
    gpus: the GPUs of this machine that get a process each: "all", the first so many, or a list of
    numbers; an experiment may name them too, by `run.gpus`.

    Raises:
        UsageError: several are given, their packages are not installed, the file is wrong, or there
            are no such GPUs.
        A2pipeError: no scheduler answers at the address.
    """
    if sum(map(bool, (scheduler, local_workers, cluster, gpus))) > 1:
        raise UsageError("Give one of scheduler, local_workers, cluster and gpus.")
    if gpus:
        return GpuExecutor(tuple(f"cuda:{number}" for number in choose_gpus(gpus)))
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
    """Raise UsageError if the packages for Dask workers, or for jobs, are not installed.

    dask-jobqueue sets a handler of SIGINT as it is imported, with which Ctrl-C would end this
    program with exit code 0; the handler from before is set again.
    """
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        import distributed  # noqa: F401

        if jobs:
            import dask_jobqueue  # noqa: F401

            signal.signal(signal.SIGINT, on_interrupt)
    except ImportError as error:
        raise UsageError(
            f"Dask workers need a package that is not installed ({error.name}): "
            "run `pip install a2pipe[cluster]`."
        ) from error
