"""Which shards are missing, and how many tasks share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...session import Session

SIZES_TRIED = 16
"""Times the number of tasks: how many ranks are tried so that those shards spread well."""
Shards = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """One array of tasks: `first` is added to the number of a task to give its rank."""

    number: int
    first: int
    ranks: tuple[int, ...]

    @property
    def tasks(self) -> tuple[int, ...]:
        """The numbers of its tasks, from 0."""
        return tuple(rank - self.first for rank in self.ranks)


@dataclass(frozen=True)
class Deal:
    """How missing shards are dealt: rank r takes those with shard % world_size == r."""

    shards: int
    world_size: int
    parts: tuple[Part, ...]

    @property
    def tasks(self) -> int:
        """How many tasks there are: those ranks that have something to do."""
        return sum(len(part.ranks) for part in self.parts)


def missing_shards(session: Session) -> list[int]:
    """The shards that some spec of the plan lacks, in order."""
    size = session.experiment.run.shard_size
    every = range(-(-len(session.collection.images) // size))
    missing: set[int] = set()
    for spec in session.plan.specs():
        found = session.stored(spec)
        missing.update(found.missing() if found else every)
    return sorted(missing)


def deal(missing: Sequence[int], tasks: int, largest_array: int) -> Deal:
    """Deal missing shards to at most `tasks` tasks, in arrays of at most `largest_array`.

    Of the numbers of ranks that leave no more ranks with something to do than there are tasks, it
    is one under which the busiest has the least; a rank with nothing to do is no task.
    """
    if not missing:
        return Deal(0, 0, ())
    world_size = _world_size(np.asarray(missing, np.int64), min(tasks, len(missing)))
    ranks = sorted({shard % world_size for shard in missing})
    firsts = sorted({rank // largest_array * largest_array for rank in ranks})
    parts = [
        Part(number, first, tuple(rank for rank in ranks if first <= rank < first + largest_array))
        for number, first in enumerate(firsts, start=1)
    ]
    return Deal(len(missing), world_size, tuple(parts))


def _world_size(missing: Shards, tasks: int) -> int:
    """The first of the sizes, from `tasks` upwards and then downwards, that nothing betters."""
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
