"""Number the names that folders and tables give to classes, groups and splits."""

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
"""It gives the split that a folder's or table's word, in lower case, means."""


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct names except "", sorted by code point, or by value if all are numbers.

    Numbers are whole ones, such as "10" and "-1".
    """
    # So that class 10 follows class 9, and a label that is a number keeps its place among all.
    distinct = set(names) - {""}
    if all(name.removeprefix("-").isdecimal() for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def name_indices(values: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of each value in `names` as int64, -1 for "".

    Raises KeyError for a value that is not in `names`.
    """
    place = {name: index for index, name in enumerate(names)} | {"": -1}
    return np.fromiter((place[value] for value in values), np.int64, len(values))
