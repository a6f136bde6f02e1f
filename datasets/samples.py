"""From what a loader knows of its samples to a collection: here the files are read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .collection import Boxes, Collection
from .index import Indexed, Unreadable, read_index


@dataclass(frozen=True, eq=False)
class Samples:
    """A collection before its files are read; the fields are those of `Collection`."""

    name: str
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    groups: NDArray[np.int64]
    group_names: tuple[str, ...]
    splits: NDArray[np.str_]
    boxes: Boxes
    image_ids: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def collect(samples: Samples, memo: Path | None = None) -> Collection:
    """Read digest and size of every file; one that cannot be read is listed and stops nothing."""
    index = read_index(samples.paths, memo)
    read = [entry if isinstance(entry, Indexed) else None for entry in index]
    sizes = [(entry.width, entry.height) if entry else (0, 0) for entry in read]
    return Collection(
        **vars(samples),
        digests=tuple([entry.digest if entry else "" for entry in read]),
        sizes=np.array(sizes, np.int64).reshape(-1, 2),
        unreadable={
            path: entry.reason
            for path, entry in zip(samples.paths, index, strict=True)
            if isinstance(entry, Unreadable)
        },
    )
