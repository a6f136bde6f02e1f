"""Measure attention maps on the images of one split: localisation, token shares, concentration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.collection import NO_BOXES, Collection
from ..errors import A2pipeError, UsageError
from ..metrics.concentration import normalized_entropy, token_shares, top_shares
from ..metrics.localization import (
    covers_a_centre,
    crop_coverage,
    crop_hit,
    foreground_masks,
    hit,
    mass_in_box,
    patch_centres,
    patch_overlap,
)
from .attention import grid_map
from .geometry import Canvas
from .maps import upsample
from .specs import LocalizeSpec

Floats = NDArray[np.float64]
Values = dict[str, Floats]
"""They hold for each measure, by name, its value for every image, (n,)."""

MEASURES = ("mass", "hit", "cls", "registers", "patches", "entropy", "top10", "top25")
"""These are measured of a map, in the order of tables; "mass" and "hit" need boxes."""
TOP_SHARES = {"top10": 0.10, "top25": 0.25}
MAPS_AT_ONCE = 16
"""So many pixel maps are worked on at a time, as they stay in a core's cache."""
MASKS_AT_ONCE = 256


class NoAnswerError(A2pipeError):
    """It is raised where no image has an answer to every measure."""


@dataclass(frozen=True)
class Subjects:
    """Subjects are the images of one split that maps are measured on; each image counts once.

    An image whose boxes cover the centre of no pixel of the canvas counts as one without boxes.

    index: int64 (n,), position in the collection of the first sample that shows each image.
    images: the digests of the n images.
    boxes: for each image float64 (k, 4), the boxes of all its samples in pixels of the canvas; an
        empty tuple if no image of the split has a box.
    without_boxes: how many images are left out because they have no box where others do.
    lost: how many of these have a box that counts on a squashed canvas, but none on this one.
    """

    index: NDArray[np.int64]
    images: tuple[str, ...]
    boxes: tuple[Floats, ...]
    without_boxes: int
    lost: int = 0


def find_subjects(collection: Collection, split: str, canvas: Canvas) -> Subjects:
    """Return the images of a split that can be read.

    All images are taken if the collection has no splits, or the split is "all".

    Raises:
        UsageError: the collection has splits, but no image in this one, or none can be read.
    """
    first: dict[str, int] = {}
    known: dict[str, list[int]] = {}
    for sample in samples_of(collection, split):
        first.setdefault(collection.digests[sample], sample)
        if len(collection.boxes[sample]):
            known.setdefault(collection.digests[sample], []).append(sample)
    boxes = {image: _boxes_of(collection, found, canvas) for image, found in known.items()}
    boxed = [image for image in first if len(boxes.get(image, ()))] if known else []
    images = boxed or list(first)
    return Subjects(
        index=np.array([first[image] for image in images], np.int64),
        images=tuple(images),
        boxes=tuple(boxes[image] for image in boxed),
        without_boxes=len(first) - len(images),
        lost=sum(
            len(_boxes_of(collection, found, Canvas(canvas.side))) > 0
            for image, found in known.items()
            if not len(boxes[image])
        ),
    )


def samples_of(collection: Collection, split: str) -> list[int]:
    """Return the positions of the samples of a split whose files can be read.

    Raises as `find_subjects`.
    """
    readable = [sample for sample in _split(collection, split) if collection.digests[sample]]
    if not readable:
        raise UsageError(f"No image of dataset {collection.name} to localise on can be read.")
    return readable


def effective_split(collection: Collection, split: str) -> str:
    """Return the split that is measured: "all" for a collection without splits, else `split`.

    Raises UsageError if the collection has splits, but not this one.
    """
    present = sorted({str(name) for name in np.unique(collection.splits)} - {""})
    if split == "all" or not present:
        return "all"
    if split not in present:
        raise UsageError(
            f"Dataset {collection.name} has no {split} images to localise on: choose "
            f"localize.split among {', '.join([*present, 'all'])}."
        )
    return split


def why_no_boxes(whole: Collection, usable: Collection, split: str, canvas: Canvas) -> str:
    """Say in a sentence why a split has no box to compare with; "" for a dataset without boxes.

    usable: the collection without bad images, of which no image in the split has a box that counts.
    """
    if not any(map(len, whole.boxes)):
        return ""
    effective = effective_split(usable, split)
    which = "" if effective == "all" else f"{effective} "
    if any(len(usable.boxes[sample]) for sample in samples_of(usable, split)):
        return (
            f"No box of the {which}images covers the centre of a pixel at image.size {canvas.side}"
            f"{_under(canvas)}: mass, hit and crop hit are left out."
        )
    if any(len(whole.boxes[sample]) for sample in _split(whole, split)):
        return f"All {which}images with boxes are bad: mass, hit and crop hit are left out."
    return (
        f"None of the {which}images has a box, though others of {whole.name} have: mass, hit and "
        "crop hit are left out (localize.split says which images count)."
    )


def check_centres(subjects: Subjects, canvas: int, grid: int, model: str) -> None:
    """Raise NoAnswerError if there are boxes, but none covers the centre of a patch.

    grid: patches along a side of the canvas.
    """
    if subjects.boxes and not any(
        patch_centres([boxes], canvas, grid).any() for boxes in subjects.boxes
    ):
        raise NoAnswerError(
            f"No box covers the centre of one of the {grid} x {grid} patches of {model}: choose "
            "another localize.evaluation than patch-centre, or a larger image.size."
        )


def lost_boxes(subjects: Subjects, canvas: Canvas) -> str:
    """Say in a sentence how many images lose their boxes to the geometry; "" if none does."""
    if not subjects.lost or not subjects.boxes:
        return ""
    images = "1 image has boxes" if subjects.lost == 1 else f"{subjects.lost:,} images have boxes"
    return (
        f"{images}, but none that covers the centre of a pixel{_under(canvas)}: left out, as "
        "images without boxes are."
    )


def _under(canvas: Canvas) -> str:
    return "" if canvas.geometry == "squash" else f" under image.geometry {canvas.geometry}"


def boxes_on_canvas(collection: Collection, index: int, canvas: Canvas) -> Floats:
    """Return the ground-truth boxes of a sample in pixels of the canvas: float64 (k, 4).

    They are clipped to what the canvas shows of the image. An image of unknown size has none.
    """
    width, height = (int(length) for length in collection.sizes[index])
    if not width or not height:
        return NO_BOXES
    return canvas.frame(width, height).to_canvas(collection.boxes[index])


def measure_maps(
    spec: LocalizeSpec, rows: NDArray[np.float32], prefix: int, boxes: Sequence[Floats] = ()
) -> Values:
    """Return every measure of n maps, float64 (n,) each: NaN where an image has no answer.

    rows: (n, heads, tokens) of the full softmax, or (n, N) statistics of patches; boxes: (k, 4) an
    image in pixels of the canvas, or none at all, which leaves out "mass" and "hit" (A², table 3).
    "cls", "registers" and "patches" are shares of the softmax (figure 10), which statistics do not
    have, "entropy", "top10" and "top25" the concentration of the map over the cells of the
    evaluation (table 19).
    """
    parts = [
        _measure(spec, rows[start : start + MAPS_AT_ONCE], prefix, boxes[start:][:MAPS_AT_ONCE])
        for start in range(0, len(rows), MAPS_AT_ONCE)
    ]
    return joined(parts)


def joined(parts: Sequence[Values]) -> Values:
    """Join the measures of consecutive images; there has to be at least one part."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def measure_crops(crops: NDArray[np.int32], subjects: Subjects, canvas: int) -> Values:
    """Return how well crops cover the ground truth of n images: "crop_coverage" and "crop_hit".

    crops: int32 (c, n, 4), in pixels of the canvas, whose side is `canvas`. Both are float64 (n,),
    NaN where an image has no answer.
    """
    # In parts, as a mask of every pixel for all images at once would not fit into memory.
    parts = []
    for start in range(0, len(subjects.images), MASKS_AT_ONCE):
        part = slice(start, start + MASKS_AT_ONCE)
        parts.append(crop_coverage(crops[:, part], foreground_masks(subjects.boxes[part], canvas)))
    coverage = np.concatenate(parts)
    return {"crop_coverage": coverage, "crop_hit": crop_hit(coverage)}


def summarize(values: Values, subjects: Subjects) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what a record says (counts and means) and the values of the images that count.

    An image without an answer to one measure is left out of all and counted in `n_left_out`. The
    array `index` says which sample of the collection each value belongs to.

    Raises:
        NoAnswerError: no image has an answer.
    """
    answered = np.asarray(np.isfinite(np.stack(list(values.values()))).all(axis=0))
    if not answered.any():
        raise NoAnswerError(_why_no_answer(values, len(answered)))
    kept = {name: each[answered] for name, each in values.items()}
    left_out = subjects.without_boxes + int((~answered).sum())
    means = {name: float(each.mean()) for name, each in kept.items()}
    arrays: dict[str, NDArray[Any]] = {**kept, "index": subjects.index[answered]}
    return {"n": int(answered.sum()), "n_left_out": left_out, **means}, arrays


def _split(collection: Collection, split: str) -> list[int]:
    """Return the positions of all samples of a split."""
    if effective_split(collection, split) == "all":
        return list(range(len(collection)))
    return np.flatnonzero(collection.splits == split).tolist()


def _why_no_answer(values: Values, images: int) -> str:
    of_map = values.get("entropy", values.get("point_in_box", np.zeros(images)))
    if not np.isfinite(of_map).any():
        return (
            f"The attention of all {images} images to localise on is undefined (NaN): check the "
            "model's weights, or compute in another precision."
        )
    return (
        f"None of the {images} images to localise on has a box that covers the centre of a pixel "
        "or patch: check the dataset's boxes, or choose a larger image.size."
    )


def _boxes_of(collection: Collection, samples: Sequence[int], canvas: Canvas) -> Floats:
    """Return the boxes (k, 4) of the samples that show one image, in pixels of the canvas.

    There are none (0, 4) if no box covers the centre of a pixel.
    """
    boxes = np.concatenate([boxes_on_canvas(collection, sample, canvas) for sample in samples])
    return boxes if covers_a_centre(boxes, canvas.side) else NO_BOXES


def _measure(
    spec: LocalizeSpec, rows: NDArray[np.float32], prefix: int, boxes: Sequence[Floats]
) -> Values:
    """Return the measures of a few maps."""
    maps = grid_map(spec.map, rows, prefix)
    grid = maps.shape[-1]
    if spec.evaluation == "pixels":
        maps = upsample(maps, spec.canvas)
    tops = top_shares(maps, list(TOP_SHARES.values()))
    truth = _foreground(spec, grid, boxes) if len(boxes) else None
    localized = {} if truth is None else {"mass": mass_in_box(maps, truth), "hit": hit(maps, truth)}
    return {
        **localized,
        **(_shares(rows, prefix) if spec.map.attention.has_heads else {}),
        "entropy": normalized_entropy(maps),
        **dict(zip(TOP_SHARES, tops.T, strict=True)),
    }


def _shares(rows: NDArray[np.float32], prefix: int) -> Values:
    """Return how the softmax of the CLS token is shared out, (B,) each."""
    shares = token_shares(rows, prefix).T
    return dict(zip(("cls", "registers", "patches"), shares, strict=True))


def _foreground(spec: LocalizeSpec, grid: int, boxes: Sequence[Floats]) -> NDArray[Any]:
    """Return the foreground on the cells of the evaluation: (B, h, w)."""
    if spec.evaluation == "pixels":
        return foreground_masks(boxes, spec.canvas)
    if spec.evaluation == "patch-centre":
        return patch_centres(boxes, spec.canvas, grid)
    return patch_overlap(boxes, spec.canvas, grid)
