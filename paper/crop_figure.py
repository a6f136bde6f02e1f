"""Read a few test images with the crops that a plan placed on them, for figure 16."""

import numpy as np

from ..datasets.collection import Collection
from ..pipeline.session import Session
from ..stages.pixels import load_canvas
from .crops import CropPictures

IMAGES = 2
"""Figure 16 shows this many images of each dataset, as in the paper."""


def crop_pictures(session: Session, collection: Collection) -> CropPictures | None:
    """Return test images of the first classes, one of each, with their crops.

    The crops are the longest list of the first attention model. None is returned without attention
    or without test images.
    """
    rows = [row for row in session.plan.rows if row.map is not None]
    samples = _one_a_class(collection)
    if not rows or not samples:
        return None
    longest = max(rows, key=lambda row: len(row.boxes))
    canvas = session.experiment.image.canvas
    digests = [collection.digests[sample] for sample in samples]
    paths = [collection.paths[sample] for sample in samples]
    images = np.stack([load_canvas(path, canvas) for path in paths])
    boxes = np.stack([session.read(box, digests) for box in longest.boxes], axis=1)
    return CropPictures(collection.name, images, boxes)


def _one_a_class(collection: Collection) -> list[int]:
    """Return the middle test sample of the first classes that have any."""
    found = []
    for label in range(len(collection.class_names)):
        samples = np.flatnonzero((collection.splits == "test") & (collection.labels == label))
        if len(samples):
            found.append(int(samples[len(samples) // 2]))
    return found[:IMAGES]
