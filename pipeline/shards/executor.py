"""An executor is anything that can compute a task."""

from typing import Protocol

from .progress import Progress
from .stats import RunStats
from .task import Task


class Executor(Protocol):
    """Compute tasks somewhere: in this process, on Dask workers, or wherever else fits."""

    def compute(self, task: Task, progress: Progress, stats: RunStats) -> None:
        """Compute and commit every shard of a task.

        What was done is added to `stats`, and stays there if an error ends the work early. When
        this returns, the cache that the task names has the shards.

        Raises:
            A2pipeError: some shards could not be computed; those that were committed are kept.
        """
        ...
