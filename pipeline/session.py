"""A session is an experiment opened on a cache, whose rows can be computed and read."""

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache.artifact import Artifact
from ..cache.catalog import Cache
from ..cache.ledger import BadRow
from ..cache.references import Reference, remember, uses_of
from ..datasets.collection import Collection
from ..errors import DamagedError, NotCachedError, UnwritableError, UsageError
from ..stages.specs import FeatureSpec, parts_of
from .experiment.load import Source, load_experiment
from .experiment.schema import Experiment
from .planning.collection import load_collection
from .planning.identification import Identification, identify_all, identify_apart
from .planning.plan import Plan, Spec, make_plan
from .shards.backbones import weights_memo
from .shards.bad_images import BadImage, find_bad_images
from .shards.executor import Executor
from .shards.gpus.devices import choose_gpus
from .shards.gpus.executor import GpuExecutor
from .shards.local import LocalExecutor
from .shards.progress import Progress, SilentProgress
from .shards.stats import RunStats
from .shards.task import prepare

TIMES_TO_COMPUTE_AGAIN = 3
"""`read` computes what it did not find up to so many times. Once is not always enough: another
process may drop shards, as `cache verify --repair` does, while this one computes them."""


@dataclass
class Session:
    """A session is an experiment opened on a cache.

    plan: the specs that the experiment needs, on its collection. cache: where their rows are or
    will be. progress: where a run says how far it is. executor: what computes shards. stats: what
    was computed since the session was opened. may_compute: whether `read` may compute rows that
    are damaged or that another process has dropped. read_only: whether the cache has turned out to
    be one that may not be written.
    """

    plan: Plan
    cache: Cache
    progress: Progress
    executor: Executor
    stats: RunStats = field(default_factory=RunStats)
    may_compute: bool = True
    read_only: bool = False

    @property
    def experiment(self) -> Experiment:
        """Return the experiment that was opened."""
        return self.plan.experiment

    @property
    def collection(self) -> Collection:
        """Return the samples of the experiment, those of bad images among them."""
        return self.plan.collection

    def compute(
        self,
        through: str = "embeddings",
        rank: int = 0,
        world_size: int = 1,
        among: Container[int] | None = None,
    ) -> RunStats:
        """Compute the shards that lack rows of the stages up to `through`.

        through: a key of `planning.plan.THROUGH`.
        rank, world_size: compute only the shards whose number is `rank` modulo `world_size`; of an
        experiment that takes G GPUs, those of the ranks rank * G, ..., rank * G + G - 1 of
        world_size * G. among: compute only shards with one of these numbers. Returns the statistics
        of the session so far.

        Raises:
            A2pipeError: the disk has no room, or the executor could not compute some shards.
        """
        specs, gpus = self.plan.specs(through), self.experiment.run.gpus
        processes = len(choose_gpus(gpus)) if gpus and world_size > 1 else 1
        task = prepare(self.plan, self.cache, specs, rank, world_size, processes)
        if among is not None:
            task = replace(task, shards=[number for number in task.shards if number in among])
        if task.shards:
            self.executor.compute(task, self.progress, self.stats)
            self._say_what_was_in_vain()
            self._say_what_no_gpu_decoded()
        return self.stats

    def _say_what_was_in_vain(self) -> None:
        """Say in one line what another process committed first, if it did."""
        stats = self.stats
        if stats.shards_in_vain:
            self.progress.say(
                f"{stats.rows_in_vain:,} rows, in {stats.shards_in_vain:,} of {stats.shards:,}"
                " shards, were computed in vain: another process committed them first. Processes"
                " that share the work get a rank each: `a2pipe run --rank R --world-size W`."
            )

    def _say_what_no_gpu_decoded(self) -> None:
        """Say in one line how many images Pillow decoded though a GPU was to, if any."""
        stats = self.stats
        if stats.left_to_pillow:
            self.progress.say(
                f"{stats.left_to_pillow:,} of {stats.decoded:,} images were decoded by Pillow:"
                " nvJPEG is given ordinary JPEG files only: no PNG, no CMYK, none turned by EXIF."
            )

    def stored(self, spec: Spec) -> Artifact | None:
        """Return the artifact of a spec, complete or not; None if there is none."""
        run = self.experiment.run
        return self.cache.find(spec, self.collection.images, run.shard_size, run.backend)

    def is_complete(self) -> bool:
        """Tell whether every row that the plan needs is stored."""
        return all((found := self.stored(spec)) and found.complete for spec in self.plan.specs())

    def artifact(self, spec: Spec) -> Artifact:
        """Return the artifact of a spec, with the rows of all images.

        Raises:
            NotCachedError: not all of them have been computed.
        """
        found = self.stored(spec)
        if found is None or not found.complete:
            raise self._lacks(spec)
        return found

    def _lacks(self, spec: Spec) -> NotCachedError:
        return NotCachedError(
            f"The cache {self.cache.root} lacks some or all {spec.stage} of "
            f"{spec.words} on {self.collection.name}; compute what is missing with "
            "`a2pipe run`."
        )

    def read(self, spec: Spec, images: list[str]) -> NDArray[Any]:
        """Return rows of a spec, (len(images), ...), checked against their checksums.

        images: digests, in any order. Only the shards that hold these images are read. Rows that
        are damaged, or that another process has dropped since they were computed, are computed
        again where `may_compute` is on.

        Raises:
            NotCachedError: nothing is stored of the spec; or not these rows, and `may_compute` is
                off.
            DamagedError: stored bytes are damaged, and `may_compute` is off.
        """
        for _ in range(TIMES_TO_COMPUTE_AGAIN):
            try:
                return self._rows(spec, images)
            except (DamagedError, NotCachedError) as error:
                found = self.stored(spec)
                if found is None or not self.may_compute:
                    raise
                self._compute_again(found, damaged=isinstance(error, DamagedError))
        return self._rows(spec, images)

    def _rows(self, spec: Spec, images: list[str]) -> NDArray[Any]:
        found = self.stored(spec)
        if found is None:
            raise self._lacks(spec)
        try:
            rows: NDArray[Any] = found.rows(self.plan.field(spec).name, images)
        except NotCachedError as error:
            raise self._lacks(spec) from error
        return rows

    def read_features(self, spec: FeatureSpec, images: list[str]) -> NDArray[np.float32]:
        """Return features of these images, float32 (len(images), d); raises as `read`.

        Features that are the mean of several embeddings are averaged in float64.
        """
        parts = [self.read(each, images) for each in parts_of(spec)]
        mean = parts[0] if len(parts) == 1 else np.mean(parts, axis=0, dtype=np.float64)
        return np.asarray(mean, np.float32)

    def _compute_again(self, artifact: Artifact, damaged: bool) -> None:
        """Compute the shards that an artifact lacks, and before that drop damaged ones."""
        # A damaged shard has a marker still, so it would not be missing.
        if damaged:
            self._drop_damaged(artifact)
        self.compute(artifact.stage)

    def _drop_damaged(self, artifact: Artifact) -> None:
        for shard in range(artifact.cut.shards):
            try:
                artifact.read_shard(shard)
            except NotCachedError:
                continue  # dropped already, by another process
            except DamagedError as error:
                self.progress.say(f"{error} Computing it again.")
                artifact.discard(shard)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Let the block fail to write where the cache may only be read.

        The block writes what is of use later but not to this run, such as its record. One line says
        that it failed, once in a session, and the run goes on.
        """
        try:
            yield
        except UnwritableError:
            if not self.read_only:
                self.progress.say(f"{self.cache.root} may not be written; nothing is noted there.")
            self.read_only = True

    def keep(
        self,
        records: Iterable[str] = (),
        replace: bool = False,
        through: str = "embeddings",
        purpose: str = "",
    ) -> None:
        """Note in the cache what this experiment uses, so that `cache gc` leaves it alone.

        Nothing is noted where the cache may only be read.

        records: fingerprints of records that it uses besides the rows of its specs. replace: forget
        what an earlier run noted, which is done at a run's end. through: the last stage whose rows
        count. purpose: what they are used for, if not the matrix; each purpose and each limit has
        a note of its own, which no run for another purpose or under another limit replaces.
        """
        run, root = self.experiment.run, self.cache.root
        reference = Reference(self.experiment.name, self.experiment.origin, purpose, run.limit)
        uses: set[str | Path] = set(records)
        specs = self.plan.specs(through)
        uses |= {
            self.cache.folder(spec, self.collection.images, run.shard_size, run.backend)
            for spec in (*self.plan.pixels(specs), *specs)
        }
        with suppress(UnwritableError):
            remember(root, reference, uses if replace else uses | uses_of(root, reference))

    def bad_images(self, through: str = "embeddings", so_far: bool = False) -> list[BadImage]:
        """Return the images that could not be used, each once, with the reason.

        through: the last stage that is looked at. so_far: look only at the shards that are done.

        Raises:
            NotCachedError: some shards are not done, and `so_far` is off.
        """
        rows = [row for spec in self.plan.specs(through) for row in self._bad_rows(spec, so_far)]
        return find_bad_images(self.collection, rows)

    def _bad_rows(self, spec: Spec, so_far: bool) -> list[BadRow]:
        found = self.stored(spec)
        # Markers may be many thousands: one look at them tells what is done and what is bad.
        markers = found.markers() if found else {}
        if not so_far and not (found and len(markers) == found.cut.shards):
            raise self._lacks(spec)
        return [row for marker in markers.values() for row in marker.bad]

    def usable(self, bad: list[BadImage]) -> Collection:
        """Return the collection without the samples of bad images."""
        if not bad:
            return self.collection
        paths = {image.path for image in bad}
        # The same image may lie under other paths too. One that could not be read has no digest.
        digests = {image.digest for image in bad if image.digest}
        samples = zip(self.collection.paths, self.collection.digests, strict=True)
        good = [path not in paths and digest not in digests for path, digest in samples]
        return self.collection.take(np.array(good, np.bool_))


def open_session(
    source: Source,
    cache_root: Path | str | None = None,
    progress: Progress | None = None,
    *,
    collection: Collection | None = None,
    executor: Executor | None = None,
    looking: bool = False,
) -> Session:
    """Read an experiment and its dataset, identify its models, and plan what it needs.

    source: a TOML file, a mapping of the same shape, or an `Experiment`. cache_root: folder of the
    cache; `$A2PIPE_CACHE` or the user's cache folder if None. collection: the samples, in place of
    those of the experiment's own dataset. executor: what computes shards; if None this process, or
    one process a GPU where the experiment has the key `run.gpus`. looking: nothing is to be
    computed; weights that are new to the cache are then read in another process, so that this one
    need not import PyTorch.

    Raises:
        UsageError: the experiment, a model name or the dataset is wrong, or both the experiment and
            `executor` say where shards are computed.
        A2pipeError: weights cannot be had.
    """
    experiment, cache = load_experiment(source), Cache(cache_root or None)
    memo, executor = weights_memo(cache), executor_for(experiment, executor)
    ahead = None if looking else Identification(experiment, memo)
    # The dataset comes before the weights: what is wrong with it is told before any download.
    if collection is None:
        collection = load_collection(experiment, cache=cache.root)
    if looking:
        identify_apart(experiment, memo)
    infos = identify_all(experiment, memo, ahead.finish() if ahead else {})
    plan = make_plan(experiment, collection, infos)
    return Session(plan, cache, progress or SilentProgress(), executor)


def executor_for(experiment: Experiment, given: Executor | None = None) -> Executor:
    """Return the executor that is given, or else the one that an experiment asks for.

    Raises:
        UsageError: one is given, and the experiment asks for another.
    """
    if given is None:
        return GpuExecutor() if experiment.run.gpus else LocalExecutor()
    if experiment.run.gpus:
        raise UsageError(
            "The experiment takes GPUs of this machine by run.gpus (--gpus), and something else is "
            "to compute it, such as Dask workers: leave one of the two out."
        )
    return given
