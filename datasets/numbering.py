"""Numbering of names read from folders and tables: classes, groups, splits."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct names but "": by number when all are whole numbers, else by code point."""
    distinct = set(names) - {""}
    if all(name.removeprefix("-").isdecimal() for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def name_indices(values: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Index of each value in `names`, int64; -1 for ""."""
    place = {name: index for index, name in enumerate(names)} | {"": -1}
    return np.fromiter((place[value] for value in values), np.int64, len(values))
