"""Decoding ahead of the device: batches in order, with a bounded number in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")
Job = TypeVar("Job")
Result = TypeVar("Result")


def prefetch(
    batches: Iterable[tuple[Batch, Sequence[Job]]],
    work: Callable[[Job], Result],
    pool: ThreadPoolExecutor,
    ahead: int,
) -> Generator[tuple[Batch, list[Result]], None, None]:
    """Yield each batch with the results of its jobs, in order; `ahead` more are being worked on.

    The source is read lazily, on the caller's thread. If the caller stops early, jobs that have
    not begun are dropped.
    """
    pending: deque[tuple[Batch, list[Future[Result]]]] = deque()
    try:
        for batch, jobs in batches:
            pending.append((batch, [pool.submit(work, job) for job in jobs]))
            if len(pending) > ahead:
                yield _collect(*pending.popleft())
        while pending:
            yield _collect(*pending.popleft())
    finally:
        for _, futures in pending:
            for future in futures:
                future.cancel()


def _collect(batch: Batch, futures: list[Future[Result]]) -> tuple[Batch, list[Result]]:
    return batch, [future.result() for future in futures]
