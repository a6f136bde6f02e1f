"""The local executor: processes decode, this thread drives the device, others place and write.

`_compute` takes a batch along its way: its shard is opened (`shard`), its canvases are decoded
(`decoding`), attention is computed and boxes are placed (`batch`), crops are cut from originals
where the experiment asks for that (`decoding`), embeddings are computed (`batch`), and after its
last batch the shard is written (`writing`). All of these go on at the same time, on different
batches: while boxes of one are placed, the device has the next.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...stages.boxes.squares import NoRoomError
from ..planning.plan import Plan
from .backbones import Backbones, weights_memo
from .batch import Batch, collect, embed_crops, look, place_crops
from .decoding import IMAGES_A_CALL, Decoders, Idleness, Job, processes
from .device_decoding import decode_on, decoding_device
from .gpus.devices import say_idle_gpus
from .prefetch import prefetch
from .progress import Progress
from .shard import open_shard
from .stats import DECODE, DECODE_ON_GPU, DISK, RESULTS, RunStats
from .task import Task
from .writing import ShardWriter

BATCHES_AHEAD = 4
"""At least so many batches are being decoded while the device has one."""
BATCHES_BEING_CUT = 2
"""So many batches with boxes wait for their crops from originals while the device has one."""
BATCHES_LAUNCHED = 1
"""So many batches are queued on the device behind the one whose results are waited for."""
ROOM_AHEAD = 512 << 20
"""So many bytes of decoded squares may wait for the device, beyond one batch."""


class LocalExecutor:
    """Compute tasks in this process. The models of one task stay loaded for the next.

    lasting: whether the decoding processes stay too, for a caller with many small tasks.
    """

    def __init__(self, lasting: bool = False) -> None:
        self._lasting = lasting
        self._backbones: Backbones | None = None
        self._decoders: Decoders | None = None

    def compute(self, task: Task, progress: Progress, stats: RunStats) -> None:
        """Compute the shards of the task in order and commit each as soon as it is complete.

        An interruption (KeyboardInterrupt, SystemExit) lets complete shards be written and drops
        the one that is being computed.

        Raises:
            A2pipeError: the weights of a model have changed since it was identified, or a shard
                could not be written, or a GPU is to decode and there is none.
        """
        device = decoding_device(task.plan.experiment)
        backbones = self.backbones(task)
        before = Counter(backbones.forward_passes())
        try:
            with self._decoding(task, backbones) as decoders:
                backbones.load_ahead(task.models)
                say_idle_gpus(task, progress)  # waits for PyTorch, while the processes start
                _compute(task, backbones, decoders, device, progress, stats)
                trouble = decoders.trouble
        finally:
            passes = Counter(backbones.forward_passes()) - before
            stats.add(RunStats(forward_passes=dict(passes), device=backbones.device()))
        if trouble:
            progress.say(
                f"Images were decoded in threads, as processes cannot be started here ({trouble})."
            )
        for notice in backbones.notices():
            progress.say(notice)
        progress.say(stats.throughput.words())

    def backbones(self, task: Task) -> Backbones:
        """Return the models for a task: those of the last task where they are the same."""
        infos, run = task.plan.backbones, task.plan.experiment.run
        if self._backbones is None or not self._backbones.serve(infos, run):
            self._backbones = Backbones(infos, run, weights_memo(task.cache))
        return self._backbones

    @contextmanager
    def _decoding(self, task: Task, backbones: Backbones) -> Iterator[Decoders]:
        """Yield decoders, and end them unless they last; an error ends them in any case."""
        count = _decoders(task)
        if self._decoders is None or self._decoders.count < count:
            self._close()
            self._decoders = Decoders(count, backbones.pinned)
        if any(spec.pixels or spec.reads_original for spec in task.unfinished):
            self._decoders.start()
        try:
            yield self._decoders
        except BaseException:
            self._close()
            raise
        if not self._lasting:
            self._close()

    def _close(self) -> None:
        if self._decoders is not None:
            self._decoders.close()
        self._decoders = None


@dataclass(frozen=True)
class _Step:
    """A step begins work on a batch in the calling thread, and the rest of it is done by a pool.

    begin: returns the jobs of a batch. pool: None for jobs that the calling thread does at once.
    ahead: so many more batches are begun before one is handed on. cause: what waiting for the jobs
    counts as.
    """

    begin: Callable[[Batch], Sequence[Job]]
    pool: ThreadPoolExecutor | None
    ahead: int
    cause: str


def _compute(
    task: Task,
    backbones: Backbones,
    decoders: Decoders,
    device: Any,
    progress: Progress,
    stats: RunStats,
) -> None:
    """Take every batch of the task along its way; see the top of this file.

    device: the GPU that decodes, None where there is none.
    """
    size = backbones.batch_size(task.unfinished)
    path_of, loaded = task.plan.collection.path_of, backbones.seconds_waited
    decoders.idle = Idleness()
    with (
        stats.throughput.running(),
        progress.bar("images", task.images(task.shards)) as advance,
        ThreadPoolExecutor(decoders.count, "decode") as pool,
        ThreadPoolExecutor(1, "nvjpeg") as gpu,
        ThreadPoolExecutor(1, "place") as placing,
        ShardWriter(task, stats) as writer,
        # Closed before the writer and the pools: what raises here must drop the jobs that have not
        # begun, or an interruption would wait for all of them.
        ExitStack() as steps,
    ):
        batches: Iterable[Batch] = _batches(task, size, progress, stats)
        # A CPU has done what it is given when the call returns, and boxes beside the next batch
        # would only keep finished shards from being written.
        beside = placing if backbones.asynchronous else None
        for step in (
            _Step(partial(decoders.canvases, path_of), pool, _ahead(decoders.count, size), DECODE),
            *([_Step(partial(decode_on, device), gpu, 1, DECODE_ON_GPU)] if device else []),
            _Step(partial(_look, backbones, path_of), beside, BATCHES_LAUNCHED, RESULTS),
            _Step(partial(decoders.originals, path_of), pool, _being_cut(task.plan), DECODE),
            _Step(partial(_embed, backbones), beside, BATCHES_LAUNCHED, RESULTS),
        ):
            batches = steps.enter_context(closing(_take(step, batches, stats)))
        for batch in batches:
            decoders.release(batch)
            _count(batch, stats)
            if batch.last:
                writer.submit(batch.shard)
            advance(batch.images)
    stats.throughput.decoders_idle += decoders.idle.seconds
    # Models are loaded once, and what that takes says nothing of the rate.
    stats.throughput.seconds -= backbones.seconds_waited - loaded
    stats.throughput.launching -= backbones.seconds_waited - loaded


def _take(step: _Step, batches: Iterable[Batch], stats: RunStats) -> Generator[Batch, None, None]:
    """Take batches through a step, in order."""
    if step.pool is None:
        for batch in batches:
            for job in _begin(step, batch, stats):
                job()
            yield batch
        return
    begun = ((batch, _begin(step, batch, stats)) for batch in batches)
    waited = partial(stats.throughput.add_wait, step.cause)
    room = ROOM_AHEAD if step.cause == DECODE else math.inf
    ready = prefetch(
        begun, step.pool, step.ahead, weigh=lambda batch: batch.nbytes, room=room, waited=waited
    )
    with closing(ready):
        for batch, _ in ready:
            yield batch


def _begin(step: _Step, batch: Batch, stats: RunStats) -> Sequence[Job]:
    start = time.perf_counter()
    jobs = step.begin(batch)
    if step.cause == RESULTS:
        stats.throughput.launching += time.perf_counter() - start
    return jobs


def _ahead(decoders: int, batch_size: int) -> int:
    """Return how many batches keep two calls ready for every process while the device computes."""
    return max(BATCHES_AHEAD, 1 + -(-2 * IMAGES_A_CALL * decoders // batch_size))


def _being_cut(plan: Plan) -> int:
    """Return how many batches wait for crops from originals; 0 where no crop is cut from one."""
    return BATCHES_BEING_CUT if plan.experiment.crops.source == "original" else 0


def _look(backbones: Backbones, path_of: Mapping[str, str], batch: Batch) -> list[Job]:
    """Queue what tells where to look; the batch's boxes are placed beside the device."""
    look(batch, backbones)
    return [partial(_place, batch, backbones, path_of)]


def _place(batch: Batch, backbones: Backbones, path_of: Mapping[str, str]) -> None:
    try:
        place_crops(batch, backbones)
    except NoRoomError as error:  # the stages know an image by its digest alone
        raise NoRoomError(path_of[error.image], error.problem) from error


def _embed(backbones: Backbones, batch: Batch) -> list[Job]:
    """Queue the embeddings of a batch; their results are collected beside the device."""
    embed_crops(batch, backbones)
    return [partial(collect, batch)]


def _count(batch: Batch, stats: RunStats) -> None:
    """Count a batch that has gone all its way."""
    stats.decoded += batch.decoded
    stats.left_to_pillow += len(batch.left_to_pillow)
    stats.spend("compute", batch.seconds)
    stats.throughput.busy += batch.seconds
    stats.throughput.images += batch.images


def _decoders(task: Task) -> int:
    """Return how many processes decode a task: no more than it has calls for them."""
    calls = -(-task.images(task.shards) // IMAGES_A_CALL)
    return max(1, min(processes(task.plan.experiment.run.workers), calls))


def _batches(task: Task, size: int, progress: Progress, stats: RunStats) -> Iterator[Batch]:
    """Open one shard after the other and yield its rows in batches.

    `prefetch` runs this ahead, so the shard after the one being computed is opened meanwhile.
    """
    for number in task.shards:
        with stats.throughput.waiting(DISK):
            shard = open_shard(number, task)
        for spec in shard.lost:
            progress.say(f"Shard {number} of {spec.words} is damaged or gone. Computing it again.")
        rows = shard.rows_to_compute()
        first = next(iter(task.artifacts.values())).layout.rows_of(number).start
        # A shard whose rows are all taken over has one batch, an empty one, so that it is written.
        starts = range(0, max(len(rows), 1), size)
        images = len(shard.images) - len(rows)
        for start in starts:
            part = rows[start : start + size]
            originals = task.pixels[first + part].tolist()
            yield Batch(shard, part, originals, images + len(part), start == starts[-1])
            images = 0
