"""Describe the patches of every model of an experiment: their norms, scores and votes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import isqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.collection import NO_BOXES, Collection
from ...datasets.masks import masks_digest, read_mask
from ...errors import UsageError
from ...metrics.discovery import IGNORED
from ...metrics.localization import Floats, Mask, foreground_masks
from ...metrics.patches.distribution import Part, describe
from ...metrics.patches.foreground import by_side, foreground_patches, has_both_sides, normalized
from ...models.zoo.names import resolve
from ...reports.patches.study import PatchLine, PatchStudy
from ...reports.patches.votes import VotedImage, VoteSheet
from ...reports.patches.write import write_patches
from ...stages.attention import MapSource, MapSpec, grid_map
from ...stages.discovery import Scene, find_scenes, mask_on_canvas
from ...stages.geometry import Canvas
from ...stages.localization import samples_of
from ...stages.pixels import load_canvas
from ...stages.specs import PatchSpec
from ..session import Session
from ..shards.bad_images import refuse_bad_images
from .run_record import RunRecord, study_facts
from .stage_run import compute_stage

READ_AT_ONCE = 2048
MASKS_AT_ONCE = 256
"""So many images are in memory together: their statistics, and masks of all their pixels."""

DESCRIBED = ("norm", "patch-score", "pooled-score")


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
    of all. If an image of the split has a mask, masks say what is foreground, else boxes. Returns
    the study, and the collection without bad images.

    Raises:
        UsageError: no attention model is named, the dataset has no image in the split, or a mask
            cannot be read or is not of its image's size.
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
    start, scenes = time.perf_counter(), find_scenes(collection, experiment.localize.split)
    sides, found = _Sides(scenes, experiment.image.canvas), _described(session)
    with session.progress.bar("distributions", len(found)) as advance:
        lines = []
        for spec in found:
            lines.append(_line(session, spec, sides, cut))
            advance(1)
    record.seconds["distributions"] = time.perf_counter() - start
    session.keep(through="maps", purpose="patches")
    return _study(session, collection, tuple(lines), cut, sides.masks, record), collection


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
    masks: str,
    record: RunRecord,
) -> PatchStudy:
    return PatchStudy(**study_facts(session, collection, record), cut=cut, masks=masks, lines=lines)


class _Sides:
    """It finds which patches are foreground, once for each grid of a canvas.

    A bit a patch is kept, as whole masks of a million images would fill the memory.

    scenes: the images. canvas: on which they stand. masks: digest of the masks of the images, which
    say what is foreground if any image has one; "" if boxes say it.
    """

    def __init__(self, scenes: list[Scene], canvas: Canvas):
        self.scenes, self._canvas = scenes, canvas
        masked = {scene.image: scene.mask for scene in scenes if scene.mask}
        self.masks = masks_digest(masked) if masked else ""
        self._found: dict[int, NDArray[np.uint8]] = {}

    def of(self, grid: int, patch: int, part: slice) -> Mask:
        """Return which patches of some images are foreground: bool (B, grid * grid).

        patch: side of a patch in pixels of what the model is shown.
        """
        side = grid * patch
        if side not in self._found:
            cuts = _cuts(len(self.scenes), MASKS_AT_ONCE)
            found = (foreground_patches(self._pixels(side, cut), grid) for cut in cuts)
            self._found[side] = np.concatenate([np.packbits(each, axis=1) for each in found])
        bits = np.unpackbits(self._found[side][part], axis=1, count=grid * grid)
        return bits.astype(np.bool_)

    def _pixels(self, side: int, part: slice) -> Mask:
        """Return which pixels of some images on a canvas of this side are foreground."""
        scenes, canvas = self.scenes[part], replace(self._canvas, side=side)
        if self.masks:
            return np.stack([_masked(scene, canvas) for scene in scenes])
        return foreground_masks([_boxes(scene, canvas) for scene in scenes], side)


def _masked(scene: Scene, canvas: Canvas) -> Mask:
    """Return which pixels an image's mask calls an object, none where it has no mask."""
    if not scene.mask:
        return np.zeros((canvas.side, canvas.side), np.bool_)
    frame = canvas.frame(*scene.size)
    shown = mask_on_canvas(read_mask(scene.mask, scene.size), frame, canvas.side)
    return np.asarray((shown > 0) & (shown != IGNORED))


def _boxes(scene: Scene, canvas: Canvas) -> Floats:
    """Return an image's boxes in pixels of the canvas, (k, 4)."""
    return canvas.frame(*scene.size).to_canvas(scene.boxes) if all(scene.size) else NO_BOXES


def _line(session: Session, spec: PatchSpec, sides: _Sides, cut: float | None) -> PatchLine:
    info = session.plan.backbones[spec.model.name]
    foreground = partial(sides.of, spec.input_size // info.patch, info.patch)
    read = partial(_parts, session, spec, sides.scenes, foreground)
    is_norm = spec.output.kind == "norm"
    found = describe(read, cut=cut) if is_norm else describe(read, span=(0.0, 1.0))
    return PatchLine(
        model=spec.model.name,
        family=resolve(spec.model.name).family,
        parameters=info.parameters / 1e6,
        kind="control" if spec.model.name.endswith("_random") else "attention",
        registers=info.registers,
        patch=info.patch,
        statistic=spec.statistic,
        images=len(sides.scenes),
        images_with_sides=sum(
            int(has_both_sides(foreground(part)).sum()) for part in _cuts(len(sides.scenes))
        ),
        distributions=tuple(found.values()),
    )


def _parts(
    session: Session, spec: PatchSpec, scenes: list[Scene], foreground: Callable[[slice], Mask]
) -> Iterator[Part]:
    """Yield a statistic by the side of the patches, for as many images as are read at once."""
    for part in _cuts(len(scenes)):
        rows = session.read(spec, [scene.image for scene in scenes[part]])
        values = rows if spec.output.kind == "norm" else normalized(rows)
        yield by_side(values, foreground(part))


def _cuts(images: int, at_once: int | None = None) -> list[slice]:
    """Cut images into slices of those that are worked on together."""
    size = at_once or READ_AT_ONCE
    return [slice(start, start + size) for start in range(0, images, size)]


def vote_sheets(session: Session, collection: Collection, shown: int) -> list[VoteSheet]:
    """Return a sheet for each model and each kind of votes of one patch a channel.

    collection: without bad images. shown: how many images, spread evenly over those of the split;
    with 0 there are no sheets. Beside the votes stands what tells where a model looks without
    aggregation: the attention of its last block that the experiment names, and its patch score.
    """
    scenes = find_scenes(collection, session.experiment.localize.split)
    places = np.unique(np.linspace(0, len(scenes) - 1, shown).round().astype(int))
    chosen = [scenes[place] for place in places]
    voted = [spec for spec in session.plan.patches if spec.source.startswith("votes:1")]
    single = [spec for spec in voted if spec.output.selection and spec.output.selection.k == "1"]
    return [_sheet(session, collection, spec, chosen) for spec in single if chosen]


def _sheet(
    session: Session, collection: Collection, spec: PatchSpec, scenes: list[Scene]
) -> VoteSheet:
    images, canvas = [scene.image for scene in scenes], session.experiment.image.canvas
    before = {words: _maps(session, each, images) for words, each in _before(session, spec)}
    rows = session.read(spec, images)
    grid = isqrt(rows.shape[1])
    items = tuple(
        VotedImage(
            name=Path(collection.paths[scene.sample]).name,
            image=load_canvas(collection.paths[scene.sample], canvas),
            truth=_boxes(scene, canvas),
            before={words: maps[number] for words, maps in before.items()},
            votes=rows[number].reshape(grid, grid),
        )
        for number, scene in enumerate(scenes)
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
