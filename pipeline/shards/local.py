"""The local executor: a pool decodes ahead, the device computes, a thread writes.

Where crops are cut from originals, the pool decodes once more between boxes and embeddings, while
the device goes on to the boxes of the batches after.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ...machine import cores
from ...stages.boxes.box import NoRoomError
from ..planning.plan import Plan
from .backbones import Backbones, weights_memo
from .batch import Batch, Decoded, Rows, embed_crops, place_crops
from .decoding import ROOM_ORIGINALS, Decode, Job, cutting, decode, decoding, weight
from .prefetch import Room, prefetch
from .progress import Progress
from .shard import Shard, open_shard
from .stats import DECODE, DEVICE, DISK, RunStats
from .task import Task
from .writing import commit_shard

BATCHES_AHEAD = 4
BATCHES_BEING_CUT = 2
SHARDS_BEING_WRITTEN = 2
ROOM_AHEAD = 512 << 20
"""Bytes of decoded squares that may wait for the device, beyond one batch."""
ROOM_TO_WRITE = 1 << 30
"""Bytes of finished shards that may wait to be written, beyond one shard."""


class LocalExecutor:
    """Compute tasks in this process. The models of one task stay loaded for the next."""

    def __init__(self) -> None:
        self._backbones: Backbones | None = None

    def compute(self, task: Task, progress: Progress, stats: RunStats) -> None:
        """Compute the shards of the task in order and commit each as soon as it is complete.

        An interruption (KeyboardInterrupt, SystemExit) lets complete shards be written and drops
        the one that is being computed.

        Raises:
            A2pipeError: the weights of a model have changed since it was identified, or a shard
                could not be written.
        """
        backbones = self.backbones(task)
        before = Counter(backbones.forward_passes())
        try:
            _compute(task, backbones, progress, stats)
        finally:
            passes = Counter(backbones.forward_passes()) - before
            stats.add(RunStats(forward_passes=dict(passes), device=backbones.device()))
        progress.say(stats.throughput.words())

    def backbones(self, task: Task) -> Backbones:
        """Return the models for a task: those of the last task where they are the same."""
        infos, run = task.plan.backbones, task.plan.experiment.run
        if self._backbones is None or not self._backbones.serve(infos, run):
            self._backbones = Backbones(infos, run, weights_memo(task.cache))
        return self._backbones


def _compute(task: Task, backbones: Backbones, progress: Progress, stats: RunStats) -> None:
    run = task.plan.experiment.run
    workers = run.workers or cores()
    ahead = _batches_ahead(workers, run.batch_size)
    work = partial(decode, Room(ROOM_ORIGINALS))
    with (
        stats.throughput.running(),
        progress.bar("images", task.images(task.shards)) as advance,
        ThreadPoolExecutor(workers, "decode") as pool,
        _Writer(task, stats) as writer,
        closing(_ahead(_steps(task, stats), work, pool, ahead, stats)) as decoded,
        closing(_placed(decoded, task.plan, backbones, stats)) as placed,
        closing(_ahead(placed, work, pool, _batches_being_cut(task.plan), stats)) as batches,
    ):
        for (step, batch), cuts in batches:
            _embed(batch, cuts, backbones, stats)
            if step.last:
                writer.submit(step.shard)
            stats.throughput.images += step.images
            advance(step.images)


@dataclass(frozen=True)
class _Step:
    """A batch of one shard; pixels: of each row's original, 0 where unknown; images: how far it
    brings the run; last: the shard is then whole."""

    shard: Shard
    rows: Rows
    pixels: Sequence[int]
    images: int
    last: bool


Item = TypeVar("Item")


def _ahead(
    source: Iterable[tuple[Item, Sequence[Job]]],
    decode: Callable[[Job], Decoded],
    pool: ThreadPoolExecutor,
    ahead: int,
    stats: RunStats,
) -> Generator[tuple[Item, list[Decoded]], None, None]:
    """Decode ahead of the device, as far as memory allows."""
    waited = partial(stats.throughput.add_wait, DECODE)
    return prefetch(source, decode, pool, ahead, weigh=weight, room=ROOM_AHEAD, waited=waited)


def _batches_ahead(workers: int, batch_size: int) -> int:
    """So many that every worker has two images to go on with while the device has a batch."""
    return max(BATCHES_AHEAD, 1 + -(-2 * workers // batch_size))


@contextmanager
def _named_by_path(path_of: Mapping[str, str]) -> Iterator[None]:
    """Name the image without room by its file; the stages know it by its digest alone."""
    try:
        yield
    except NoRoomError as error:
        raise NoRoomError(path_of[error.image], error.problem) from error


def _batches_being_cut(plan: Plan) -> int:
    """How many batches wait for crops from originals; none where no crop is cut from one."""
    return BATCHES_BEING_CUT if plan.experiment.crops.source == "original" else 0


def _placed(
    decoded: Iterable[tuple[_Step, Sequence[Decoded]]],
    plan: Plan,
    backbones: Backbones,
    stats: RunStats,
) -> Generator[tuple[tuple[_Step, Batch], list[Job]], None, None]:
    """Attention and boxes of each batch, and what is then to be cut from its originals."""
    path_of = plan.collection.path_of
    for step, canvases in decoded:
        start = time.perf_counter()
        batch = Batch(step.shard, step.rows, canvases)
        with _named_by_path(path_of):
            place_crops(batch, backbones)
        jobs = list(cutting(batch, path_of, step.pixels))
        stats.decoded += sum(item is not None for item in canvases)
        stats.decoded += sum(isinstance(job, Decode) for job in jobs)
        _computed(stats, time.perf_counter() - start)
        yield (step, batch), jobs if any(jobs) else []


def _embed(batch: Batch, cuts: Sequence[Decoded], backbones: Backbones, stats: RunStats) -> None:
    start = time.perf_counter()
    batch.crops = cuts or [None] * len(batch.rows)
    embed_crops(batch, backbones)
    _computed(stats, time.perf_counter() - start)


def _computed(stats: RunStats, seconds: float) -> None:
    stats.spend("compute", seconds)
    stats.throughput.add_wait(DEVICE, seconds)


def _steps(task: Task, stats: RunStats) -> Iterator[tuple[_Step, list[Job]]]:
    path_of, batch_size = task.plan.collection.path_of, task.plan.experiment.run.batch_size
    for number in task.shards:
        with stats.throughput.waiting(DISK):
            shard = open_shard(number, task)
        rows, needed = shard.rows_to_compute(), shard.rows_to_decode()
        canvases = shard.canvases()
        first = next(iter(task.artifacts.values())).layout.rows_of(number).start
        starts = range(0, max(len(rows), 1), batch_size)
        images = len(shard.images) - len(rows)
        for start in starts:
            batch = rows[start : start + batch_size]
            pixels = task.pixels[first + batch].tolist()
            jobs = [
                decoding(shard, row, canvases, path_of, size) if needed[row] else None
                for row, size in zip(batch.tolist(), pixels, strict=True)
            ]
            yield _Step(shard, batch, pixels, images + len(batch), start == starts[-1]), jobs
            images = 0


class _Writer:
    """One thread that commits finished shards; at most SHARDS_BEING_WRITTEN of them wait, and no
    more than ROOM_TO_WRITE bytes beyond the one being written."""

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
        """Whether the oldest write is over, or has to be waited for."""
        held = sum(size for _, size in self._pending)
        full = len(self._pending) > SHARDS_BEING_WRITTEN or held > ROOM_TO_WRITE
        return full or self._pending[0][0].done()

    def _commit(self, shard: Shard) -> None:
        start = time.perf_counter()
        in_vain = commit_shard(shard, self._task.artifacts, self._task.plan)
        self._stats.shards += 1
        self._stats.shards_in_vain += in_vain > 0
        self._stats.rows_in_vain += in_vain
        self._stats.spend("write", time.perf_counter() - start)
        for array in shard.open_arrays:
            self._stats.spend(array.spec.stage, array.seconds)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit)
        with self._stats.throughput.waiting(DISK):
            self._pool.shutdown(wait=True, cancel_futures=kind is not None and not stopped)
        if kind is None:
            for future, _held in self._pending:
                future.result()
