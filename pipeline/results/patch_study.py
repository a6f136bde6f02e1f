"""Describe the patches of every model of an experiment: their norms, scores and votes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import isqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache.ledger import now
from ...datasets.collection import NO_BOXES, Collection
from ...errors import UsageError
from ...metrics.localization import Floats, Mask, foreground_masks
from ...metrics.patches.distribution import Part, describe
from ...metrics.patches.foreground import by_side, foreground_patches, has_both_sides, normalized
from ...models.zoo.names import resolve
from ...reports.patches.study import PatchLine, PatchStudy
from ...reports.patches.votes import VotedImage, VoteSheet
from ...reports.patches.write import write_patches
from ...stages.attention import MapSource, MapSpec, grid_map
from ...stages.localization import boxes_on_canvas, effective_split, samples_of
from ...stages.pixels import load_canvas
from ...stages.specs import PatchSpec
from ...version import __version__
from ..session import Session
from ..shards.bad_images import refuse_bad_images
from .run_record import RunRecord
from .stage_run import compute_stage

READ_AT_ONCE = 2048
MASKS_AT_ONCE = 256
"""So many images are in memory together: their statistics, and masks of all their pixels."""

DESCRIBED = ("norm", "patch-score", "pooled-score")


@dataclass(frozen=True)
class _Images:
    """The images that are described: digests, a sample that shows each, boxes on the canvas."""

    digests: list[str]
    samples: list[int]
    boxes: list[Floats]


def publish_patches(
    session: Session, cut: float | None, shown: int, folder: Path | None = None
) -> tuple[PatchStudy, dict[str, Path]]:
    """Make the study, write it with its plots, and return it with the paths of what was written.

    cut: the norm above which patches are counted, or None. shown: how many images a sheet of votes
    has. folder: results/<name of the experiment> unless given. Raises as `make_patch_study`, and
    A2pipeError when the folder cannot be written.
    """
    study, usable = make_patch_study(session, cut)
    sheets = vote_sheets(session, usable, shown)
    folder = folder or Path("results") / session.experiment.name
    return study, write_patches(study, sheets, folder.resolve())


def make_patch_study(session: Session, cut: float | None) -> tuple[PatchStudy, Collection]:
    """Compute missing statistics, and describe norms and scores on the images of a split.

    The split is `localize.split`. An image that several samples share counts once, with the boxes
    of all. Returns the study, and the collection without bad images.

    Raises:
        UsageError: no attention model is named, or the dataset has no image in the split.
        BadImagesError: some images are bad and `run.skip_bad_images` is off.
    """
    experiment = session.experiment
    if not experiment.attention.models:
        raise UsageError("Name at least one model with --model.")
    samples_of(session.collection, experiment.localize.split)  # refused before anything is computed
    record = RunRecord(images=len(session.collection.images), stats=session.stats)
    record.bad = compute_stage(session, "maps").bad
    refuse_bad_images(record.bad, experiment.run.skip_bad_images)
    collection = session.usable(record.bad)
    record.samples_left_out = len(session.collection) - len(collection)
    start, images = time.perf_counter(), _images(session, collection)
    sides = _Sides(images, experiment.image.size)
    found = _described(session)
    with session.progress.bar("distributions", len(found)) as advance:
        lines = []
        for spec in found:
            lines.append(_line(session, spec, images, sides, cut))
            advance(1)
    record.seconds["distributions"] = time.perf_counter() - start
    session.keep(through="maps", purpose="patches")
    return _study(session, collection, tuple(lines), cut, record), collection


def _described(session: Session) -> list[PatchSpec]:
    """Return what is described: model by model, the norms first, else in the plan's order."""
    models = session.experiment.attention.models
    found = [spec for spec in session.plan.patches if spec.output.kind in DESCRIBED]
    return sorted(
        found, key=lambda spec: (models.index(spec.model.name), spec.output.kind != "norm")
    )


def _study(
    session: Session,
    collection: Collection,
    lines: tuple[PatchLine, ...],
    cut: float | None,
    record: RunRecord,
) -> PatchStudy:
    experiment = session.experiment
    return PatchStudy(
        name=experiment.name,
        dataset=collection.name,
        collection=collection.digest,
        split=effective_split(collection, experiment.localize.split),
        image_size=experiment.image.size,
        geometry=experiment.image.geometry,
        created=now(),
        version=__version__,
        cut=cut,
        lines=lines,
        notes=experiment.notes,
        run=record.content(),
    )


def _images(session: Session, collection: Collection) -> _Images:
    canvas = session.experiment.image.canvas
    samples: dict[str, list[int]] = {}
    for sample in samples_of(collection, session.experiment.localize.split):
        samples.setdefault(collection.digests[sample], []).append(sample)
    boxes = [
        np.concatenate([NO_BOXES, *(boxes_on_canvas(collection, each, canvas) for each in shown)])
        for shown in samples.values()
    ]
    return _Images(list(samples), [shown[0] for shown in samples.values()], boxes)


class _Sides:
    """It finds which patches are foreground, once for each grid of a canvas.

    A bit a patch is kept, as whole masks of a million images would fill the memory.
    """

    def __init__(self, images: _Images, canvas: int):
        self._images, self._canvas = images, canvas
        self._found: dict[tuple[int, int], NDArray[np.uint8]] = {}

    def of(self, grid: int, patch: int, part: slice) -> Mask:
        """Return which patches of some images are foreground: bool (B, grid * grid).

        patch: side of a patch in pixels of what the model is shown.
        """
        key = grid, patch
        if key not in self._found:
            self._found[key] = self._all(grid, patch)
        bits = np.unpackbits(self._found[key][part], axis=1, count=grid * grid)
        return bits.astype(np.bool_)

    def _all(self, grid: int, patch: int) -> NDArray[np.uint8]:
        side = grid * patch
        found = []
        for start in range(0, len(self._images.boxes), MASKS_AT_ONCE):
            boxes = self._images.boxes[start : start + MASKS_AT_ONCE]
            masks = foreground_masks([each * side / self._canvas for each in boxes], side)
            found.append(np.packbits(foreground_patches(masks, grid), axis=1))
        return np.concatenate(found)


def _line(
    session: Session, spec: PatchSpec, images: _Images, sides: _Sides, cut: float | None
) -> PatchLine:
    info = session.plan.backbones[spec.model.name]
    foreground = partial(sides.of, spec.input_size // info.patch, info.patch)
    read = partial(_parts, session, spec, images, foreground)
    is_norm = spec.output.kind == "norm"
    found = describe(read, cut=cut) if is_norm else describe(read, span=(0.0, 1.0))
    return PatchLine(
        model=spec.model.name,
        family=resolve(spec.model.name).family,
        parameters=info.parameters / 1e6,
        kind="control" if spec.model.name.endswith("_random") else "attention",
        registers=info.prefix_tokens - 1,
        patch=info.patch,
        statistic=spec.statistic,
        images=len(images.digests),
        images_with_sides=sum(
            int(has_both_sides(foreground(part)).sum()) for part in _cuts(images)
        ),
        distributions=tuple(found.values()),
    )


def _parts(
    session: Session, spec: PatchSpec, images: _Images, foreground: Callable[[slice], Mask]
) -> Iterator[Part]:
    """Yield a statistic by the side of the patches, for as many images as are read at once."""
    for part in _cuts(images):
        rows = session.read(spec, images.digests[part])
        values = rows if spec.output.kind == "norm" else normalized(rows)
        yield by_side(values, foreground(part))


def _cuts(images: _Images) -> Iterator[slice]:
    for start in range(0, len(images.digests), READ_AT_ONCE):
        yield slice(start, start + READ_AT_ONCE)


def vote_sheets(session: Session, collection: Collection, shown: int) -> list[VoteSheet]:
    """Return a sheet for each model and each kind of votes of one patch a channel.

    collection: without bad images. shown: how many images, spread evenly over those of the split;
    with 0 there are no sheets. Beside the votes stands what tells where a model looks without
    aggregation: the attention of its last block that the experiment names, and its patch score.
    """
    images = _images(session, collection)
    chosen = np.unique(np.linspace(0, len(images.digests) - 1, shown).round().astype(int))
    voted = [spec for spec in session.plan.patches if spec.source.startswith("votes:1")]
    single = [spec for spec in voted if spec.output.selection and spec.output.selection.k == "1"]
    return [_sheet(session, collection, spec, images, chosen) for spec in single if len(chosen)]


def _sheet(
    session: Session,
    collection: Collection,
    spec: PatchSpec,
    images: _Images,
    chosen: NDArray[np.int64],
) -> VoteSheet:
    digests, canvas = [images.digests[place] for place in chosen], session.experiment.image.canvas
    before = {words: _maps(session, each, digests) for words, each in _before(session, spec)}
    rows = session.read(spec, digests)
    grid = isqrt(rows.shape[1])
    items = tuple(
        VotedImage(
            name=Path(collection.paths[images.samples[place]]).name,
            image=load_canvas(collection.paths[images.samples[place]], canvas),
            truth=images.boxes[place],
            before={words: maps[number] for words, maps in before.items()},
            votes=rows[number].reshape(grid, grid),
        )
        for number, place in enumerate(chosen)
    )
    return VoteSheet(spec.model.name, spec.source_words, spec.source, items)


def _before(session: Session, spec: PatchSpec) -> Iterator[tuple[str, MapSource]]:
    """Yield what tells where a model looks without aggregation, in words and as a spec."""
    attention = [each for each in session.plan.attention if each.model == spec.model]
    if attention:
        yield "CLS attention", max(attention, key=lambda each: each.block)
    for each in session.plan.patches:
        if each.model == spec.model and each.output.kind == "patch-score":
            yield f"score to {'CLS' if each.output.vector == 'cls' else 'mean'}", each


def _maps(session: Session, source: MapSource, images: list[str]) -> NDArray[np.float64]:
    """Return maps over the patches, (n, g, g), as crops would be placed by."""
    prefix = session.plan.backbones[source.model.name].prefix_tokens
    return grid_map(MapSpec(source), session.read(source, images), prefix)
