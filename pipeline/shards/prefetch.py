"""Work ahead of a consumer: batches in order, with a bounded number of bytes in memory."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def prefetch(
    batches: Iterable[tuple[Batch, Sequence[Callable[[], Result]]]],
    pool: ThreadPoolExecutor,
    ahead: int,
    *,
    weigh: Callable[[Batch], int] = lambda _: 0,
    room: float = math.inf,
    waited: Callable[[float], None] = lambda _: None,
) -> Generator[tuple[Batch, list[Result]], None, None]:
    """Yield each batch with the results of its jobs, in order; `ahead` more are being worked on.

    weigh: bytes that a batch takes; no batch is begun while those that wait take more than `room`
    together. waited: is told the seconds for which results were waited for.

    The source is read lazily, on the caller's thread. If the caller stops early, jobs that have
    not begun are dropped.
    """
    pending: deque[tuple[Batch, list[Future[Result]], int]] = deque()
    held = 0
    try:
        for batch, jobs in batches:
            weight = weigh(batch)
            pending.append((batch, [pool.submit(job) for job in jobs], weight))
            held += weight
            # Handed over before the next batch is taken from the source: one batch may always be in
            # flight, however large it is, so this cannot come to a stop.
            while pending and (len(pending) > ahead or held > room):
                batch, futures, weight = pending.popleft()
                held -= weight
                yield batch, _collect(futures, waited)
        while pending:
            batch, futures, _ = pending.popleft()
            yield batch, _collect(futures, waited)
    finally:
        for _, futures, _ in pending:
            for future in futures:
                future.cancel()


def _collect(futures: list[Future[Result]], waited: Callable[[float], None]) -> list[Result]:
    start = time.perf_counter()
    results = [future.result() for future in futures]
    waited(time.perf_counter() - start)
    return results


class Room:
    """Threads share bytes: one that wants more than are left waits until others are done.

    A thread that wants more than there are in all gets all of them, once it is alone.
    """

    def __init__(self, size: int):
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taking(self, wanted: int) -> Iterator[None]:
        """Hold `wanted` bytes while the block runs, or all there are if `wanted` is more."""
        share = min(wanted, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + share <= self._size)
            self._taken += share
        try:
            yield
        finally:
            with self._changed:
                self._taken -= share
                self._changed.notify_all()
