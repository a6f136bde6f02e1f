"""One shard in the making: what is stored, what is taken over, what is left to compute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...cache.artifact import NOT_FINITE, OK, PENDING, UNREADABLE, Artifact
from ...cache.gather import Gathered
from ...cache.ledger import BadRow
from ...errors import DamagedError, NotCachedError
from ...stages.geometry import Canvas
from ...stages.placement import canvas_read, canvas_spec
from ...stages.specs import CanvasSpec, EmbeddingSpec, GreedyBox
from ..planning.plan import Plan, Stored


@dataclass
class Part:
    """The rows of one spec in one shard.

    values: (n, ...); status: uint8 (n,), PENDING where a row is still to be computed;
    reasons: why a row is bad, by row; stored: already committed, nothing to write.
    """

    spec: Stored
    values: NDArray[np.generic]
    status: NDArray[np.uint8]
    reasons: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    computed: int = 0
    stored: bool = False

    def todo(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the rows that are still to be computed."""
        lacking: NDArray[np.int64] = rows[self.status[rows] == PENDING]
        return lacking

    def fill(self, rows: NDArray[np.int64], values: NDArray[np.generic]) -> None:
        """Store computed rows; those with a value that is not finite are marked as bad."""
        self.values[rows] = values
        self.status[rows] = OK
        self.computed += len(rows)
        if np.issubdtype(values.dtype, np.floating):
            finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
            for row in rows[~finite]:
                self.refuse(int(row), NOT_FINITE, "the model's output is not finite")

    def refuse(self, row: int, status: int, reason: str) -> None:
        """Mark one row as bad."""
        self.status[row] = status
        self.reasons[row] = reason


@dataclass
class Shard:
    """Every part of one shard, upstream first."""

    number: int
    images: tuple[str, ...]
    parts: dict[Stored, Part]

    @property
    def nbytes(self) -> int:
        """Of all values in memory."""
        return sum(part.values.nbytes for part in self.parts.values())

    @property
    def open_parts(self) -> list[Part]:
        return [part for part in self.parts.values() if not part.stored]

    def pixels(self, canvas: Canvas) -> Part | None:
        """What is stored, or is going to be, of the images on a canvas."""
        return self.parts.get(canvas_spec(canvas))

    def lacking(self, row: int, canvases: Iterable[Canvas]) -> tuple[Canvas, ...] | str:
        """Those canvases whose pixels of a row are not stored; or why there are none, where it is
        stored that the image is bad."""
        lacking = []
        for canvas in canvases:
            part = self.pixels(canvas)
            if part is not None and part.status[row] == UNREADABLE:
                return part.reasons.get(row, "bad")
            if part is None or part.status[row] == PENDING:
                lacking.append(canvas)
        return tuple(lacking)

    def rows_to_compute(self) -> NDArray[np.int64]:
        """Rows that at least one spec still lacks."""
        lacking = [part.status == PENDING for part in self.open_parts]
        return np.flatnonzero(np.any(lacking, axis=0)) if lacking else np.empty(0, np.int64)

    def rows_to_decode(self) -> NDArray[np.bool_]:
        """Which rows need a canvas: attention does, and embeddings of crops that are cut from it.

        Crops that are cut from the original are decoded once their boxes are known.
        """
        needs = np.zeros(len(self.images), bool)
        for part in self.open_parts:
            if canvas_read(part.spec):
                needs |= part.status == PENDING
        return needs

    def canvases(self) -> tuple[Canvas, ...]:
        """The canvases that rows still to be computed are made from."""
        read = {
            canvas_read(part.spec) for part in self.open_parts if (part.status == PENDING).any()
        }
        return tuple(sorted(canvas for canvas in read if canvas))


def open_shard(
    number: int,
    plan: Plan,
    artifacts: Mapping[Stored, Artifact],
    missing: Mapping[Stored, set[int]],
    gathered: Mapping[Stored, Gathered],
) -> Shard:
    """Read what the cache has of this shard; rows of sibling artifacts are taken over.

    A stored part that does not match its checksum is dropped and becomes one to compute; so does
    one that another process has dropped since `missing` was listed.
    """
    layout = next(iter(artifacts.values())).layout
    images = layout.images[layout.rows_of(number)]
    lacking = [spec for spec in artifacts if number in missing[spec]]
    parts: dict[Stored, Part] = {}
    for spec, artifact in artifacts.items():
        try:
            if isinstance(spec, CanvasSpec) and not any(_reads(other, spec) for other in lacking):
                continue  # to be stored when a model needs it, and not before
            if spec in lacking:
                parts[spec] = _open_part(plan, spec, images, gathered.get(spec))
            elif any(_reads(other, spec) for other in lacking):
                parts[spec] = _stored_part(spec, artifact, number)
        except (DamagedError, NotCachedError) as error:
            if isinstance(error, DamagedError):
                artifact.discard(number)
            missing[spec].add(number)
            return open_shard(number, plan, artifacts, missing, gathered)
    return Shard(number, images, parts)


def commit_shard(shard: Shard, artifacts: Mapping[Stored, Artifact], plan: Plan) -> int:
    """Write every open part: data first, marker last.

    Returns how many rows were computed in vain, as another process committed them meanwhile.
    """
    open_parts = [(artifacts[part.spec], part) for part in shard.open_parts]
    return sum(
        part.computed
        for artifact, part in open_parts
        if not _commit_part(shard, part, artifact, plan.field(part.spec).name)
    )


def _commit_part(shard: Shard, part: Part, artifact: Artifact, name: str) -> bool:
    """Whether it was needed: no other process's marker stood before, or stands now."""
    found, stood = artifact.ledger.read(shard.number), artifact.marker(shard.number)
    bad = [
        BadRow(row, shard.images[row], int(part.status[row]), reason)
        for row, reason in sorted(part.reasons.items())
    ]
    marker = artifact.commit(
        shard.number,
        {name: part.values},
        part.status,
        bad=bad,
        seconds=part.seconds,
        computed=part.computed,
    )
    ours = marker.seconds == part.seconds  # measured, so that no two are alike
    return stood is None and (ours or found is not None)


def _reads(spec: Stored, upstream: Stored) -> bool:
    """Whether computing `spec` looks at rows of `upstream`."""
    if isinstance(upstream, CanvasSpec):
        return spec != upstream and canvas_read(spec) == canvas_read(upstream)
    if isinstance(spec, EmbeddingSpec):
        return spec.box == upstream
    if isinstance(spec, GreedyBox):
        return upstream == spec.map.attention or _in_chain(spec, upstream)
    return _in_chain(spec, upstream)


def _in_chain(spec: Stored, upstream: Stored) -> bool:
    previous = getattr(spec, "previous", None)
    return previous is not None and (previous == upstream or _in_chain(previous, upstream))


def _open_part(
    plan: Plan, spec: Stored, images: tuple[str, ...], gathered: Gathered | None
) -> Part:
    stored = plan.field(spec)
    values = np.full((len(images), *stored.shape), stored.fill, stored.dtype)
    part = Part(spec, values, np.full(len(images), PENDING, np.uint8))
    if gathered is not None:
        _take_over(part, stored.name, images, gathered)
    return part


def _take_over(part: Part, name: str, images: tuple[str, ...], gathered: Gathered) -> None:
    available = gathered.available
    rows = np.array([i for i, image in enumerate(images) if image in available], int)
    if not len(rows):
        return
    arrays, status = gathered.read([images[row] for row in rows])
    good = status == OK
    part.values[rows[good]] = arrays[name][good]
    part.status[rows[good]] = OK


def _stored_part(spec: Stored, artifact: Artifact, number: int) -> Part:
    arrays = artifact.read_shard(number)
    status = arrays.pop("status")
    images = artifact.layout.images[artifact.layout.rows_of(number)]
    row_of = {image: row for row, image in enumerate(images)}
    marker = artifact.ledger.read(number)
    reasons = {row_of[bad.image]: bad.reason for bad in marker.bad} if marker else {}
    (values,) = arrays.values()
    return Part(spec, values, status, reasons, stored=True)
