"""A shard in memory has arrays that are stored, and arrays that are to be computed."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ...cache.artifact import NOT_FINITE, OK, PENDING, Artifact
from ...cache.gather import Gathered
from ...errors import DamagedError, NotCachedError
from ...stages.geometry import Canvas
from ..planning.plan import Stored
from .task import Task

S = TypeVar("S", bound=Stored)
S_co = TypeVar("S_co", bound=Stored, covariant=True)


@dataclass
class ShardArray(Generic[S_co]):
    """A ShardArray holds the rows of one spec in one shard.

    values: (n, ...), one row for each image of the shard.
    status: uint8 (n,), PENDING where a row is still to be computed.
    reasons: why a row is bad, by its position in the shard.
    seconds: what computing rows took. computed: how many were computed here, not taken over.
    stored: whether the cache has it already, so that it is read and not written.
    forward: images a pass, where memory sufficed for fewer than usual; 0 elsewhere (`Marker`).
    """

    spec: S_co
    values: NDArray[np.generic]
    status: NDArray[np.uint8]
    reasons: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    computed: int = 0
    stored: bool = False
    forward: int = 0

    def todo(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the rows that are still to be computed."""
        lacking: NDArray[np.int64] = rows[self.status[rows] == PENDING]
        return lacking

    def fill(self, rows: NDArray[np.int64], values: NDArray[np.generic]) -> None:
        """Put computed rows in their places; a row with a value that is not finite becomes bad.

        rows: int64 (k,); values: (k, ...).
        """
        finite = np.ones(len(rows), bool)
        if np.issubdtype(values.dtype, np.floating):
            finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        # Whole numbers cannot say that they are not finite: such rows keep the fill value.
        kept = finite | np.issubdtype(self.values.dtype, np.floating)
        self.values[rows[kept]] = values[kept]
        self.status[rows] = OK
        self.computed += len(rows)
        for row in rows[~finite]:
            self.refuse(int(row), NOT_FINITE, "the model's output is not finite")

    def refuse(self, row: int, status: int, reason: str) -> None:
        """Mark one row as bad."""
        self.status[row] = status
        self.reasons[row] = reason

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the seconds of a block to those of this array."""
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start


@dataclass
class Shard:
    """A Shard holds the arrays that are needed to compute one shard, upstream first.

    number: of the shard. images: digests of its images, in the order of rows.
    arrays: those to compute, and stored ones that these are computed from.
    lost: specs whose rows of this shard were listed as stored but are damaged or gone, so that
        they are computed again.
    """

    number: int
    images: tuple[str, ...]
    arrays: dict[Stored, ShardArray[Any]]
    lost: tuple[Stored, ...] = ()

    @property
    def nbytes(self) -> int:
        """Return how many bytes all values take in memory."""
        return sum(array.values.nbytes for array in self.arrays.values())

    @property
    def open_arrays(self) -> list[ShardArray[Any]]:
        """Return the arrays that are to be computed and written."""
        return [array for array in self.arrays.values() if not array.stored]

    def unfinished(self, kind: type[S]) -> list[ShardArray[S]]:
        """Return the arrays of one stage that are to be computed, upstream first."""
        found = [array for array in self.open_arrays if array.spec.stage == kind.stage]
        return cast("list[ShardArray[S]]", found)

    def rows_to_compute(self) -> NDArray[np.int64]:
        """Return the rows that at least one spec still lacks."""
        lacking = [array.status == PENDING for array in self.open_arrays]
        return np.flatnonzero(np.any(lacking, axis=0)) if lacking else np.empty(0, np.int64)

    def pixels_needed(self, rows: NDArray[np.int64]) -> dict[Canvas, NDArray[np.bool_]]:
        """Return the canvases that rows are shown to models on: for each, bool (len(rows),).

        Attention needs a canvas, and so do embeddings of crops that are cut from it; crops from the
        original are decoded once their boxes are known.
        """
        needed: dict[Canvas, NDArray[np.bool_]] = {}
        for array in self.open_arrays:
            if array.spec.pixels:
                others = needed.get(array.spec.pixels, np.zeros(len(rows), bool))
                needed[array.spec.pixels] = others | (array.status[rows] == PENDING)
        return {canvas: needed[canvas] for canvas in sorted(needed) if needed[canvas].any()}

    def pixels_status(self, canvas: Canvas, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the status of rows on a canvas: PENDING for all where it is not stored."""
        stored = self.arrays.get(canvas)
        return np.full(len(rows), PENDING, np.uint8) if stored is None else stored.status[rows]


def open_shard(number: int, task: Task) -> Shard:
    """Read what the cache has of a shard and make room for what it lacks.

    Rows that other row folders have are taken over. A stored array that does not match its checksum
    is dropped and becomes one to compute; so does one that another process has dropped since the
    task was listed.
    """
    layout = next(iter(task.artifacts.values())).layout
    images = layout.images[layout.rows_of(number)]
    lacking = {spec for spec, shards in task.missing.items() if number in shards}
    stored: dict[Stored, ShardArray[Any]] = {}
    lost: set[Stored] = set()

    # What is lost has to be computed, and is computed from arrays that were not needed before.
    while needed := _read_by(task, lacking) - lacking - stored.keys():
        for spec in needed:
            found = _stored(spec, task.artifacts[spec], number)
            if found is None:
                lost.add(spec)
                lacking.add(spec)
            else:
                stored[spec] = found

    read = _read_by(task, lacking)
    # In the order of artifacts, upstream first, as arrays are computed one after the other.
    arrays = {
        spec: stored[spec] if spec in stored else _open(task, spec, images)
        for spec in task.artifacts
        if spec in stored or (spec in lacking and (spec in read or not spec.only_when_read))
    }
    return Shard(number, images, arrays, tuple(spec for spec in arrays if spec in lost))


def _read_by(task: Task, lacking: Iterable[Stored]) -> set[Stored]:
    """Return the specs with an artifact whose rows are read to compute others."""
    return {read for spec in lacking for read in spec.upstream if read in task.artifacts}


def _open(task: Task, spec: Stored, images: tuple[str, ...]) -> ShardArray[Any]:
    """Return an array to compute, with the rows that other row folders have."""
    stored = task.plan.field(spec)
    values = np.full((len(images), *stored.shape), stored.fill, stored.dtype)
    array = ShardArray(spec, values, np.full(len(images), PENDING, np.uint8))
    if spec in task.gathered:
        _take_over(array, stored.name, images, task.gathered[spec])
    return array


def _take_over(
    array: ShardArray[Any], name: str, images: tuple[str, ...], gathered: Gathered
) -> None:
    available = gathered.available
    rows = np.array([i for i, image in enumerate(images) if image in available], int)
    if not len(rows):
        return
    arrays, status = gathered.read([images[row] for row in rows])
    # Bad rows are not taken over but tried again: what was wrong may have been mended since.
    good = status == OK
    array.values[rows[good]] = arrays[name][good]
    array.status[rows[good]] = OK


def _stored(spec: Stored, artifact: Artifact, number: int) -> ShardArray[Any] | None:
    """Return a committed array; None if it is gone, or was damaged and is dropped now."""
    try:
        arrays = artifact.read_shard(number)
    except NotCachedError:
        return None
    except DamagedError:
        artifact.discard(number)
        return None
    status = arrays.pop("status")
    images = artifact.layout.images[artifact.layout.rows_of(number)]
    row_of = {image: row for row, image in enumerate(images)}
    marker = artifact.ledger.read(number)
    reasons = {row_of[bad.image]: bad.reason for bad in marker.bad} if marker else {}
    (values,) = arrays.values()
    return ShardArray(spec, values, status, reasons, stored=True)
