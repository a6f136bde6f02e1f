"""The local executor: a pool decodes ahead, the device computes, a thread writes.

Where crops are cut from originals, the pool decodes once more between boxes and embeddings, while
the device goes on to the boxes of the batches after.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from ..cache.artifact import Artifact
from ..cache.catalog import Cache
from ..cache.fingerprint import fingerprint
from ..cache.gather import KEPT_BYTES, Gathered
from ..errors import BadImageError
from ..stages.boxes import NoRoomError
from ..stages.cuts import Cut, canvas_cut, load_cuts
from .backbones import Backbones
from .compute import Batch, Decoded, Rows, cuts_wanted, embed_crops, place_crops
from .plan import Plan, Spec
from .prefetch import prefetch
from .progress import Progress
from .shard import Shard, commit_shard, open_shard

BATCHES_AHEAD = 4
BATCHES_BEING_CUT = 2
SHARDS_BEING_WRITTEN = 2


@dataclass
class RunStats:
    """What a run did: counts of shards and of images decoded, each time one was; seconds by stage
    and activity (they overlap)."""

    shards: int = 0
    decoded: int = 0
    forward_passes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = ""

    def spend(self, what: str, seconds: float) -> None:
        """Add to the time that an activity or a stage has taken."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds

    def add(self, other: RunStats) -> None:
        """Add the counts and seconds of a run elsewhere."""
        self.shards += other.shards
        self.decoded += other.decoded
        self.device = self.device or other.device
        for name, passes in other.forward_passes.items():
            self.forward_passes[name] = self.forward_passes.get(name, 0) + passes
        for name, seconds in other.seconds.items():
            self.spend(name, seconds)


@dataclass(frozen=True)
class Task:
    """What to compute: these shards of these artifacts."""

    plan: Plan
    artifacts: Mapping[Spec, Artifact]
    missing: Mapping[Spec, set[int]]
    gathered: Mapping[Spec, Gathered]
    shards: Sequence[int]

    def images(self, shards: Iterable[int]) -> int:
        """How many images these shards have."""
        cut = next(iter(self.artifacts.values())).cut
        return sum(cut.length_of(number) for number in shards)


def prepare(
    plan: Plan, cache: Cache, specs: Sequence[Spec], rank: int = 0, world_size: int = 1
) -> Task:
    """Create what is not there yet and list the shards that lack rows, dealt statically by rank."""
    run, images = plan.experiment.run, plan.collection.images
    artifacts = {
        spec: cache.create(spec, [plan.field(spec)], images, run.shard_size, run.backend)
        for spec in specs
    }
    missing = {spec: set(artifact.missing()) for spec, artifact in artifacts.items()}
    gathered = {
        spec: cache.gather(
            fingerprint(spec),
            _lacking(artifacts[spec], numbers),
            artifacts[spec].folder,
            KEPT_BYTES // len(artifacts),
        )
        for spec, numbers in missing.items()
        if numbers
    }
    dealt = [
        number for number in sorted(set().union(*missing.values())) if number % world_size == rank
    ]
    return Task(plan, artifacts, missing, gathered, dealt)


def _lacking(artifact: Artifact, shards: set[int]) -> list[str]:
    layout = artifact.layout
    return [image for number in sorted(shards) for image in layout.images[layout.rows_of(number)]]


def run_local(task: Task, backbones: Backbones, progress: Progress, stats: RunStats) -> None:
    """Compute the shards of the task in order, commit each as soon as it is whole, and count.

    An interruption (KeyboardInterrupt, SystemExit) lets the shard being written finish and drops
    the one being computed.
    """
    run = task.plan.experiment.run
    workers = run.workers or os.cpu_count() or 1
    with (
        progress.bar("images", task.images(task.shards)) as advance,
        ThreadPoolExecutor(workers, "decode") as pool,
        _Writer(task, stats) as writer,
        closing(prefetch(_steps(task, run.batch_size), _decode, pool, BATCHES_AHEAD)) as decoded,
        closing(_placed(decoded, task.plan, backbones, stats)) as placed,
        closing(prefetch(placed, _decode, pool, _batches_being_cut(task.plan))) as batches,
    ):
        for (step, batch), cuts in batches:
            _embed(batch, cuts, backbones, stats)
            if step.last:
                writer.submit(step.shard)
            advance(step.images)
    stats.forward_passes = backbones.forward_passes()
    stats.device = backbones.device()


@dataclass(frozen=True)
class _Step:
    """A batch of one shard; images: how far it brings the run; last: the shard is then whole."""

    shard: Shard
    rows: Rows
    images: int
    last: bool


@dataclass(frozen=True)
class _Decode:
    """One image to decode and what to cut from it."""

    path: str
    digest: str
    cuts: tuple[Cut, ...]


_Job = _Decode | BadImageError | None
"""None where no pixels are needed; an image that is known to be bad is not decoded again."""


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
) -> Generator[tuple[tuple[_Step, Batch], list[_Job]], None, None]:
    """Attention and boxes of each batch, and what is then to be cut from its originals."""
    path_of = plan.collection.path_of
    for step, canvases in decoded:
        start = time.perf_counter()
        batch = Batch(step.shard, step.rows, canvases)
        with _named_by_path(path_of):
            place_crops(batch, backbones)
        jobs = list(_cutting(batch, path_of))
        stats.decoded += sum(item is not None for item in canvases)
        stats.decoded += sum(isinstance(job, _Decode) for job in jobs)
        stats.spend("compute", time.perf_counter() - start)
        yield (step, batch), jobs if any(jobs) else []


def _cutting(batch: Batch, path_of: Mapping[str, str]) -> Iterator[_Job]:
    for row, known, cuts in zip(batch.rows, batch.decoded, cuts_wanted(batch), strict=True):
        image = batch.shard.images[row]
        if not cuts:
            yield None
        elif isinstance(known, BadImageError):
            yield known
        else:
            yield _Decode(path_of[image], image, cuts)


def _embed(batch: Batch, cuts: Sequence[Decoded], backbones: Backbones, stats: RunStats) -> None:
    start = time.perf_counter()
    batch.cuts = cuts or [None] * len(batch.rows)
    embed_crops(batch, backbones)
    stats.spend("compute", time.perf_counter() - start)


def _steps(task: Task, batch_size: int) -> Iterator[tuple[_Step, list[_Job]]]:
    path_of = task.plan.collection.path_of
    for number in task.shards:
        shard = open_shard(number, task.plan, task.artifacts, task.missing, task.gathered)
        rows, needed = shard.rows_to_compute(), shard.rows_to_decode()
        cuts = tuple(map(canvas_cut, shard.canvases()))
        starts = range(0, max(len(rows), 1), batch_size)
        images = len(shard.images) - len(rows)
        for start in starts:
            batch = rows[start : start + batch_size]
            jobs: list[_Job] = [
                _Decode(path_of[image], image, cuts) if needed[row] else None
                for row, image in ((row, shard.images[row]) for row in batch)
            ]
            yield _Step(shard, batch, images + len(batch), last=start == starts[-1]), jobs
            images = 0


def _decode(job: _Job) -> Decoded:
    if not isinstance(job, _Decode):
        return job
    try:
        return load_cuts(job.path, job.cuts, job.digest)
    except BadImageError as error:
        return error


class _Writer:
    """One thread that commits finished shards; holds at most SHARDS_BEING_WRITTEN in memory."""

    def __init__(self, task: Task, stats: RunStats):
        self._task = task
        self._stats = stats
        self._pool = ThreadPoolExecutor(1, "write")
        self._pending: deque[Future[None]] = deque()

    def submit(self, shard: Shard) -> None:
        """Queue a shard; raises what an earlier write raised, as soon as it has."""
        self._pending.append(self._pool.submit(self._commit, shard))
        while self._pending and self._is_due():
            self._pending.popleft().result()

    def _is_due(self) -> bool:
        """Whether the oldest write is over, or has to be waited for."""
        return self._pending[0].done() or len(self._pending) > SHARDS_BEING_WRITTEN

    def _commit(self, shard: Shard) -> None:
        start = time.perf_counter()
        commit_shard(shard, self._task.artifacts, self._task.plan)
        self._stats.shards += 1
        self._stats.spend("write", time.perf_counter() - start)
        for part in shard.open_parts:
            self._stats.spend(part.spec.stage, part.seconds)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            for future in self._pending:
                future.result()
