"""Take the images that are trained on and measured, or say what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datasets.collection import Collection
from ..errors import UsageError
from ..pipeline.results.point_in_box import point_subjects
from ..stages.geometry import Canvas
from ..stages.localization import Floats, NoAnswerError
from .batches import Images


@dataclass(frozen=True)
class Boxed:
    """Boxed are the measured images that have boxes.

    places: int64 (m,), which of the measured images they are. boxes: (k, 4) for each, in pixels of
    the canvas, clipped to it. why_none: a sentence if there are none, else "".
    """

    places: NDArray[np.int64]
    boxes: tuple[Floats, ...]
    why_none: str = ""


@dataclass(frozen=True)
class Measured:
    """Measured are the images on which a network is measured, with labels.

    images: as `Images`. boxed: those with boxes, by a rule of Point-in-Box.
    """

    images: Images
    boxed: Boxed


def training_images(collection: Collection) -> Images:
    """Return the images of the split `train`.

    Raises UsageError if there are none, if one has no label or cannot be read, or if all are of one
    class.
    """
    found = _of_split(collection, "train", "Name the split by folder or by a split column.")
    if len(set(found.labels.tolist())) < 2:
        only = collection.class_names[int(found.labels[0])]
        raise UsageError(
            f"All training images of {collection.name} are of one class, {only!r}, so that there "
            "is nothing to learn: give a dataset with two or more."
        )
    return found


def measured_images(
    collection: Collection, split: str, most: int, canvas: Canvas, rule: str
) -> Measured:
    """Return at most so many images of a split, spread over groups and classes.

    rule: which images count for Point-in-Box, "point-in-box" or "centre".

    Raises UsageError if there are none, or one has no label or cannot be read.
    """
    advice = f"Set training.split to another than {split}, or hold some out with dataset.split_val."
    part = collection.take(collection.splits == split)
    part = part.limit(most) if len(part) else part
    images = _of_split(part, split, advice)
    unseen = set(images.labels.tolist()) - set(
        collection.labels[collection.splits == "train"].tolist()
    )
    if unseen:
        raise UsageError(
            f"No training image of {collection.name} is of the class "
            f"{collection.class_names[min(unseen)]!r}, which {split} images are: add some."
        )
    try:
        subjects = point_subjects(part, split, canvas, rule)
    except NoAnswerError as error:
        return Measured(images, Boxed(np.zeros(0, np.int64), (), str(error)))
    return Measured(images, Boxed(subjects.index, subjects.boxes))


def _of_split(collection: Collection, split: str, advice: str) -> Images:
    places = np.flatnonzero(collection.splits == split)
    if not len(places):
        raise UsageError(f"Dataset {collection.name} has no {split} images. {advice}")
    labels = collection.labels[places]
    if (labels < 0).any():
        raise UsageError(
            f"Dataset {collection.name}: {int((labels < 0).sum())} of {len(labels)} {split} images "
            "have no label: label them or leave them out."
        )
    _require_readable(collection, places.tolist())
    taken = collection.take(places)
    return Images(taken.paths, taken.labels, taken.sizes, taken.digests)


def _require_readable(collection: Collection, places: Sequence[int]) -> None:
    for place in places:
        path = collection.paths[place]
        if not collection.digests[place]:
            why = collection.unreadable.get(path, "it cannot be read")
            raise UsageError(f"{path} cannot be trained on ({why}): leave it out of the dataset.")
