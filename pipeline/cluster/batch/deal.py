"""Find out which shards are missing, and deal them to tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...session import Session

SIZES_TRIED = 16
"""Up to so many ranks a task are tried, so that missing shards spread well."""
Shards = NDArray[np.int64]


@dataclass(frozen=True)
class TaskArray:
    """A TaskArray is one array of tasks, submitted by one script.

    number: of the array, from 1. first: the rank from which its tasks are numbered; a batch system
    bounds the numbers in an array, not only how many there are. ranks: the ranks of its tasks,
    ascending.
    """

    number: int
    first: int
    ranks: tuple[int, ...]

    @property
    def name(self) -> str:
        """Return the name of its script, with which the names of its logs begin."""
        return f"tasks-{self.number}"

    @property
    def tasks(self) -> tuple[int, ...]:
        """Return the numbers of its tasks, counted from `first`."""
        return tuple(rank - self.first for rank in self.ranks)


@dataclass(frozen=True)
class Deal:
    """A Deal says who takes which missing shards, as `prepare` deals them to ranks.

    shards: how many are missing. world_size: the number of ranks, some of which may have nothing to
    do. arrays: the tasks of the others.
    """

    shards: int
    world_size: int
    arrays: tuple[TaskArray, ...]

    @property
    def tasks(self) -> int:
        """Return how many tasks there are: those ranks that have something to do."""
        return sum(len(array.ranks) for array in self.arrays)


def missing_shards(session: Session) -> list[int]:
    """Return the numbers of the shards that some spec of the plan lacks, in order."""
    size = session.experiment.run.shard_size
    every = range(-(-len(session.collection.images) // size))
    missing: set[int] = set()
    for spec in session.plan.specs():
        found = session.stored(spec)
        missing.update(found.missing() if found else every)
    return sorted(missing)


def deal(missing: Sequence[int], tasks: int, largest_array: int, processes: int = 1) -> Deal:
    """Deal missing shards to at most `tasks` tasks, in arrays of at most `largest_array`.

    processes: how many processes share the work of a task. Shard s is that of rank
    s // processes % world_size.

    Of the numbers of ranks that leave no more ranks with something to do than there are tasks, it
    is one under which the busiest has the least; a rank with nothing to do is no task.
    """
    if not missing:
        return Deal(0, 0, ())
    blocks = [shard // processes for shard in missing]
    world_size = _world_size(np.asarray(blocks, np.int64), min(tasks, len(set(blocks))))
    ranks = sorted({block % world_size for block in blocks})
    firsts = sorted({rank // largest_array * largest_array for rank in ranks})
    arrays = [
        TaskArray(number, first, tuple(r for r in ranks if first <= r < first + largest_array))
        for number, first in enumerate(firsts, start=1)
    ]
    return Deal(len(missing), world_size, tuple(arrays))


def _world_size(missing: Shards, tasks: int) -> int:
    """Return the first of the sizes, from `tasks` upwards and then downwards, that none betters."""
    # A shard's rank follows from its number alone, so that a task needs no list of its shards and
    # two submissions need no agreement. What is missing may then crowd on few ranks: if one task of
    # eight failed, all that it left is of one rank modulo eight, and another size spreads it.
    least = -(-len(missing) // tasks)
    best, chosen = len(missing), 1
    for size in (*range(tasks, SIZES_TRIED * tasks + 1), *range(tasks - 1, 0, -1)):
        loads = np.bincount(missing % size)
        busiest = int(loads.max())
        if busiest < best and np.count_nonzero(loads) <= tasks:
            best, chosen = busiest, size
        if best == least:
            break
    return chosen
