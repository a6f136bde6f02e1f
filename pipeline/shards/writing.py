"""Commit finished shards to the cache, in a thread of its own: data first, marker last."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from ...cache.ledger import BadRow
from .shard import Shard, ShardArray
from .stats import DISK, RunStats
from .task import Task

SHARDS_BEING_WRITTEN = 2
ROOM_TO_WRITE = 1 << 30
"""So many bytes of finished shards may wait to be written, beyond one shard."""


class ShardWriter:
    """A shard writer is a thread that commits finished shards.

    At most SHARDS_BEING_WRITTEN of them wait, and no more than ROOM_TO_WRITE bytes beyond the one
    being written, so that a slow disk holds the device up before memory is full.
    """

    def __init__(self, task: Task, stats: RunStats):
        self._task = task
        self._stats = stats
        self._pool = ThreadPoolExecutor(1, "write")
        self._pending: deque[tuple[Future[None], int]] = deque()

    def submit(self, shard: Shard) -> None:
        """Queue a shard; raises what an earlier write raised, as soon as it has."""
        self._pending.append((self._pool.submit(self._commit, shard), shard.nbytes))
        with self._stats.throughput.waiting(DISK):
            while self._pending and self._is_due():
                self._pending.popleft()[0].result()

    def _is_due(self) -> bool:
        """Tell whether the oldest write is over, or has to be waited for as too much is queued."""
        held = sum(size for _, size in self._pending)
        full = len(self._pending) > SHARDS_BEING_WRITTEN or held > ROOM_TO_WRITE
        return full or self._pending[0][0].done()

    def _commit(self, shard: Shard) -> None:
        start = time.perf_counter()
        in_vain = commit_shard(shard, self._task)
        self._stats.shards += 1
        self._stats.shards_in_vain += in_vain > 0
        self._stats.rows_in_vain += in_vain
        self._stats.spend("write", time.perf_counter() - start)
        for array in shard.open_arrays:
            self._stats.spend(array.spec.stage, array.seconds)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A complete shard is work that would be lost, so an interruption still writes those that
        # wait. An error, which may come from writing, drops them.
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit)
        drop = kind is not None and not stopped
        with self._stats.throughput.waiting(DISK):
            if not drop:
                self._wait_for_all()
            self._pool.shutdown(wait=True, cancel_futures=drop)
        if kind is None:
            for future, _held in self._pending:
                future.result()

    def _wait_for_all(self) -> None:
        """Wait until every shard is written, also where an interruption comes meanwhile."""
        # Not by joining the thread: Python 3.11 takes it for ended once a join was interrupted.
        futures = [future for future, _held in self._pending]
        try:
            wait(futures)
        except (KeyboardInterrupt, SystemExit):
            wait(futures)
            raise


def commit_shard(shard: Shard, task: Task) -> int:
    """Write every array that was computed.

    Returns how many rows were computed in vain, as another process committed them meanwhile.
    """
    arrays = shard.open_arrays
    return sum(array.computed for array in arrays if not _commit(shard, array, task))


def _commit(shard: Shard, array: ShardArray[Any], task: Task) -> bool:
    """Write one array, and return whether no other process had committed it."""
    bad = [
        BadRow(row, shard.images[row], int(array.status[row]), reason)
        for row, reason in sorted(array.reasons.items())
    ]
    _, ours = task.artifacts[array.spec].commit(
        shard.number,
        {task.plan.field(array.spec).name: array.values},
        array.status,
        bad=bad,
        seconds=array.seconds,
        computed=array.computed,
        forward=array.forward,
    )
    return ours
