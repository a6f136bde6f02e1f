"""A head is fitted and judged on samples of a collection: train, then val, then test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...datasets.collection import Collection, check_classes
from ...errors import UsageError

Split = Literal["train", "val", "test"]
_ORDER: tuple[Split, ...] = ("train", "val", "test")
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples are N samples: the training samples first, then validation, then test.

    index: int64 (N,), positions in the collection.
    labels: int64 (N,), indices into `class_names`.
    groups: int64 (N,), indices into `group_names`, -1 for none.
    images: int64 (N,), numbers of the unique images, equal where samples share one.
    sizes: how many samples each split has.
    class_names, group_names: in the order of their indices.
    """

    index: Integers
    labels: Integers
    groups: Integers
    images: Integers
    sizes: dict[Split, int]
    class_names: tuple[str, ...]
    group_names: tuple[str, ...]

    def part(self, split: Split) -> slice:
        """Return where the samples of a split stand."""
        start = sum(self.sizes[before] for before in _ORDER[: _ORDER.index(split)])
        return slice(start, start + self.sizes[split])


def samples_of_collection(collection: Collection) -> Samples:
    """Return the samples of a collection that a head can be fitted and judged on.

    Raises:
        UsageError: there is no training or no test sample, one of them has no label, a class
            occurs in test alone, or there are groups, but of no test sample.
    """
    parts = check_samples(collection)
    index = np.concatenate([parts[split] for split in _ORDER])
    groups, names = grouping(collection)
    images = _image_numbers(collection.digests)
    sizes = {split: len(found) for split, found in parts.items()}
    return Samples(
        index,
        collection.labels[index],
        groups[index],
        images[index],
        sizes,
        collection.class_names,
        names,
    )


def check_samples(collection: Collection) -> dict[Split, Integers]:
    """Return the positions of the samples of each split. Raises as `samples_of_collection`."""
    parts: dict[Split, Integers] = {
        split: np.flatnonzero(collection.splits == split) for split in _ORDER
    }
    _require_splits(collection, parts)
    check_classes(collection)
    if not (grouping(collection)[0][parts["test"]] >= 0).any():
        raise UsageError(
            f"No test sample of {collection.name} belongs to any of its groups, so there is no "
            "worst group; name the groups of test samples too, or none at all."
        )
    return parts


def _image_numbers(digests: Sequence[str]) -> Integers:
    """Number the unique images in the order of first appearance: int64 (len(digests),)."""
    unique = dict.fromkeys(digests)
    if len(unique) == len(digests):
        return np.arange(len(digests))
    number = dict(zip(unique, range(len(unique)), strict=True))
    return np.fromiter((number[digest] for digest in digests), np.int64, len(digests))


def grouping(collection: Collection) -> tuple[Integers, tuple[str, ...]]:
    """Return the group of each sample and the names of the groups.

    The classes stand for groups in a collection without any.
    """
    if collection.group_names:
        return collection.groups, collection.group_names
    return collection.labels, collection.class_names


def _require_splits(collection: Collection, parts: dict[Split, Integers]) -> None:
    for name, found in parts.items():
        if name != "val" and not len(found):
            raise UsageError(
                f"No sample of {collection.name} ({len(collection)} in all) is in the {name} "
                "split, which a head needs; name the splits in the manifest's split column or in "
                "folders train/ and test/."
            )
