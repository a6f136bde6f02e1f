"""Say which images Point-in-Box is taken on, and measure a map on them.

`point-in-box` is the rule of LaSt-ViT's released evaluation (arXiv 2602.22394): images with one box
alone, which covers less than a quarter of the image, and the patches that `touched_patches` names.
`centre` takes all images with boxes, and the patches whose centre lies in one of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from ...datasets.collection import Collection
from ...errors import UsageError
from ...metrics.localization import patch_centres
from ...metrics.point_in_box import are_small, point_in_box, share_inside, touched_patches
from ...stages.attention import grid_map
from ...stages.geometry import Canvas
from ...stages.localization import Floats, NoAnswerError, Subjects, Values, samples_of
from ...stages.specs import LocalizeSpec

RELEASED, CENTRE = "point-in-box", "centre"
EVALUATIONS = (RELEASED, CENTRE)
MEASURES = ("point_in_box", "inside")
"""These are measured of a map: whether its highest patch is inside, and how many patches are."""


class NothingCountsError(NoAnswerError, UsageError):
    """It is raised where no image of a split counts: the dataset, split or rule is wrong."""


def point_subjects(collection: Collection, split: str, canvas: Canvas, rule: str) -> Subjects:
    """Return the images of a split that count for a rule, one of `EVALUATIONS`.

    Their boxes are clipped to the canvas. An image whose boxes the canvas does not show counts: no
    patch can hit it. `without_boxes` counts the images of the split that do not count.

    Raises:
        UsageError: the collection has splits, but no image in this one, or none can be read.
        NothingCountsError: no image counts.
    """
    samples: dict[str, list[int]] = defaultdict(list)
    for sample in samples_of(collection, split):
        samples[collection.digests[sample]].append(sample)
    sizes = annotated_sizes(collection)
    boxes = {
        image: _clipped(collection, found if rule == CENTRE else found[:1], canvas)
        for image, found in samples.items()
        if _counts(collection, found, sizes, rule)
    }
    if not boxes:
        raise NothingCountsError(_why_none(collection, len(samples), rule))
    return Subjects(
        index=np.array([samples[image][0] for image in boxes], np.int64),
        images=tuple(boxes),
        boxes=tuple(boxes.values()),
        without_boxes=len(samples) - len(boxes),
    )


def annotated_sizes(collection: Collection) -> NDArray[np.int64]:
    """Return width and height of each image as its annotation gives them, or as it has: (N, 2)."""
    if collection.annotated is None:
        return collection.sizes
    return np.where(collection.annotated > 0, collection.annotated, collection.sizes)


def sizes_digest(collection: Collection, rule: str) -> str:
    """Return a digest of the sizes in annotations; "" unless they matter and are not the images'.

    The digest of a collection has its boxes, but not these.
    """
    sizes = annotated_sizes(collection)
    if rule != RELEASED or np.array_equal(sizes, collection.sizes):
        return ""
    return sha256(np.ascontiguousarray(sizes, "<i8").tobytes()).hexdigest()[:32]


def measure_points(
    spec: LocalizeSpec, rows: NDArray[np.float32], prefix: int, boxes: Sequence[Floats]
) -> Values:
    """Return Point-in-Box and the share of patches inside, of n images: (n,) each.

    rows: what is stored of the map's source. boxes: those of `point_subjects`. An image whose map
    is not finite has NaN for both.
    """
    maps = grid_map(spec.map, rows, prefix)
    grid = maps.shape[-1]
    if spec.evaluation == RELEASED:
        inside = touched_patches(np.concatenate(boxes), spec.canvas, grid)
    else:
        inside = patch_centres(boxes, spec.canvas, grid)
    hits = point_in_box(maps, inside)
    return {"point_in_box": hits, "inside": np.where(np.isnan(hits), np.nan, share_inside(inside))}


def _counts(
    collection: Collection, samples: Sequence[int], sizes: NDArray[np.int64], rule: str
) -> bool:
    """Return whether the image that some samples show counts; of several the first decides."""
    first = samples[0]
    if not collection.sizes[first].all():
        return False
    if rule == CENTRE:
        return any(len(collection.boxes[sample]) for sample in samples)
    boxes = collection.boxes[first]
    return len(boxes) == 1 and bool(are_small(boxes, sizes[first : first + 1]).all())


def _clipped(collection: Collection, samples: Sequence[int], canvas: Canvas) -> Floats:
    width, height = (int(length) for length in collection.sizes[samples[0]])
    boxes = np.concatenate([collection.boxes[sample] for sample in samples])
    return canvas.frame(width, height).clipped(boxes)


def _why_none(collection: Collection, images: int, rule: str) -> str:
    if not any(map(len, collection.boxes)):
        return f"Dataset {collection.name} has no boxes, which the evaluation {rule} needs."
    which = "a box" if rule == CENTRE else "one box alone that covers less than a quarter of it"
    return (
        f"None of the {images:,} images to localise on has {which}: choose another "
        "localize.evaluation or localize.split."
    )
