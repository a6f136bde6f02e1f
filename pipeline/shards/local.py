"""The local executor decodes in a pool of threads, computes in this thread, writes in another.

`_compute` takes a batch along its way: its shard is opened (`shard`), its images are decoded
(`decoding`), attention and boxes are computed (`batch`), crops are cut from originals where the
experiment asks for that (`decoding`), embeddings are computed (`batch`), and after its last batch
the shard is written (`writing`). All of these run at the same time, on different batches.
"""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial

from ...machine import cores
from ...stages.boxes.squares import NoRoomError
from ..planning.plan import Plan
from .backbones import Backbones, weights_memo
from .batch import Batch, Decoded, embed_crops, place_crops
from .decoding import ROOM_ORIGINALS, Decode, Job, canvas_jobs, decode, original_jobs, weight
from .prefetch import Room, prefetch
from .progress import Progress
from .shard import open_shard
from .stats import DECODE, DEVICE, DISK, RunStats
from .task import Task
from .writing import ShardWriter

BATCHES_AHEAD = 4
"""At least so many batches are being decoded while the device has one."""
BATCHES_BEING_CUT = 2
"""So many batches with boxes wait for their crops from originals while the device has one."""
ROOM_AHEAD = 512 << 20
"""So many bytes of decoded squares may wait for the device, beyond one batch."""


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
    """Take every batch of the task along its way; see the top of this file."""
    run = task.plan.experiment.run
    workers = run.workers or cores()
    ahead = _batches_ahead(workers, run.batch_size)
    work = partial(decode, Room(ROOM_ORIGINALS))
    # Generators are closed before the writer and the pool: what raises here must drop the jobs that
    # have not begun before the pool is waited for, or an interruption would decode them all.
    with (
        stats.throughput.running(),
        progress.bar("images", task.images(task.shards)) as advance,
        ThreadPoolExecutor(workers, "decode") as pool,
        ShardWriter(task, stats) as writer,
        closing(_ahead(_batches(task, progress, stats), work, pool, ahead, stats)) as decoded,
        closing(_placed(decoded, task.plan, backbones, stats)) as placed,
        closing(_ahead(placed, work, pool, _batches_being_cut(task.plan), stats)) as batches,
    ):
        for batch, crops in batches:
            batch.crops = crops or [None] * len(batch.rows)
            with _computing(stats):
                embed_crops(batch, backbones)
            if batch.last:
                writer.submit(batch.shard)
            stats.throughput.images += batch.images
            advance(batch.images)


def _ahead(
    source: Iterable[tuple[Batch, Sequence[Job]]],
    decode: Callable[[Job], Decoded],
    pool: ThreadPoolExecutor,
    ahead: int,
    stats: RunStats,
) -> Generator[tuple[Batch, list[Decoded]], None, None]:
    """Decode batches ahead of the device, as far as memory allows."""
    waited = partial(stats.throughput.add_wait, DECODE)
    return prefetch(source, decode, pool, ahead, weigh=weight, room=ROOM_AHEAD, waited=waited)


def _batches_ahead(workers: int, batch_size: int) -> int:
    """Return how many batches keep two images ready for every worker while the device computes."""
    return max(BATCHES_AHEAD, 1 + -(-2 * workers // batch_size))


def _batches_being_cut(plan: Plan) -> int:
    """Return how many batches wait for crops from originals; 0 where no crop is cut from one."""
    return BATCHES_BEING_CUT if plan.experiment.crops.source == "original" else 0


def _placed(
    decoded: Iterable[tuple[Batch, Sequence[Decoded]]],
    plan: Plan,
    backbones: Backbones,
    stats: RunStats,
) -> Generator[tuple[Batch, list[Job]], None, None]:
    """Compute attention and boxes of each batch; yield it with what to cut from its originals."""
    path_of = plan.collection.path_of
    for batch, canvases in decoded:
        batch.decoded = canvases
        with _computing(stats):
            try:
                place_crops(batch, backbones)
            except NoRoomError as error:  # the stages know an image by its digest alone
                raise NoRoomError(path_of[error.image], error.problem) from error
            jobs = list(original_jobs(batch, path_of))
        stats.decoded += sum(item is not None for item in canvases)
        stats.decoded += sum(isinstance(job, Decode) for job in jobs)
        yield batch, jobs if any(jobs) else []


@contextmanager
def _computing(stats: RunStats) -> Iterator[None]:
    """Count the time of a block as that of the device."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    stats.spend("compute", seconds)
    stats.throughput.add_wait(DEVICE, seconds)


def _batches(task: Task, progress: Progress, stats: RunStats) -> Iterator[tuple[Batch, list[Job]]]:
    """Open one shard after the other and yield its rows in batches, with what to decode.

    `prefetch` runs this ahead, so the shard after the one being computed is opened meanwhile.
    """
    path_of, batch_size = task.plan.collection.path_of, task.plan.experiment.run.batch_size
    for number in task.shards:
        with stats.throughput.waiting(DISK):
            shard = open_shard(number, task)
        for spec in shard.lost:
            progress.say(f"Shard {number} of {spec.words} is damaged or gone. Computing it again.")
        rows = shard.rows_to_compute()
        first = next(iter(task.artifacts.values())).layout.rows_of(number).start
        # A shard whose rows are all taken over has one batch, an empty one, so that it is written.
        starts = range(0, max(len(rows), 1), batch_size)
        images = len(shard.images) - len(rows)
        for start in starts:
            part = rows[start : start + batch_size]
            originals = task.pixels[first + part].tolist()
            batch = Batch(shard, part, originals, images + len(part), start == starts[-1])
            yield batch, list(canvas_jobs(batch, path_of))
            images = 0
