"""Hold out a validation split, drawn by a seed, where a dataset has none of its own."""

import hashlib
from collections import defaultdict
from dataclasses import replace

import numpy as np

from ..errors import UsageError
from .collection import Collection


def hold_out(collection: Collection, fraction: float, seed: int = 0) -> Collection:
    """Return the collection with some of its training images moved to the split `val`.

    fraction: the share that moves of every group, or of every class where there are no groups;
        0 < fraction < 1. It is rounded, but at least one image moves and at least one stays
        wherever a group has two. An image of several groups counts for the first of them.
    seed: draws which images move.

    An image moves with all of its training samples. Which ones move depends on the seed and the
    images' bytes alone, not on their order or names, and a larger fraction moves the same ones and
    more. Files that cannot be read stay where they are.

    Raises UsageError for a fraction out of range, a collection that has a validation split, and one
    without training images.
    """
    _require(collection, fraction)
    samples = _training_samples(collection)
    moved = np.zeros(len(collection), bool)
    for images in _strata(collection, samples):
        drawn = sorted(images, key=lambda digest: _draw(seed, digest))
        for digest in drawn[: _count(len(images), fraction)]:
            moved[samples[digest]] = True
    return replace(collection, splits=np.where(moved, "val", collection.splits))


def _require(collection: Collection, fraction: float) -> None:
    if not 0 < fraction < 1:
        raise UsageError(f"A share of {fraction} cannot be held out: give one between 0 and 1.")
    if (collection.splits == "val").any():
        raise UsageError(
            f"Dataset {collection.name} has a validation split of its own: leave split_val out."
        )
    if not (collection.splits == "train").any():
        raise UsageError(
            f"Dataset {collection.name} has no training images to hold some out of: leave "
            "split_val out."
        )


def _training_samples(collection: Collection) -> dict[str, list[int]]:
    """Map the digest of each readable training image to its training samples."""
    samples: dict[str, list[int]] = defaultdict(list)
    for index in np.flatnonzero(collection.splits == "train").tolist():
        samples[collection.digests[index]].append(index)
    samples.pop("", None)
    return samples


def _strata(collection: Collection, samples: dict[str, list[int]]) -> list[list[str]]:
    """Return the images of each group, or of each class where there are no groups."""
    parts = collection.groups if (collection.groups >= 0).any() else collection.labels
    strata: dict[int, list[str]] = defaultdict(list)
    for digest, found in samples.items():
        strata[int(parts[found].min())].append(digest)
    return list(strata.values())


def _count(images: int, fraction: float) -> int:
    """Return how many of so many images move."""
    if images < 2:
        return 0
    return min(max(round(images * fraction), 1), images - 1)


def _draw(seed: int, digest: str) -> str:
    # A digest, not a generator: what an image draws does not depend on what else is drawn, so a
    # collection that grew keeps its validation images, and a larger fraction adds to them.
    return hashlib.sha256(f"{seed} {digest}".encode()).hexdigest()
