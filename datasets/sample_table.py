"""From what a loader knows of its samples to a collection: here the files are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .collection import Boxes, Collection
from .images.index import Unreadable, read_index
from .images.memo import IndexedImage

_UNKNOWN = IndexedImage("", 0, 0)


@dataclass(frozen=True, eq=False)
class SampleTable:
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


def read_collection(samples: SampleTable, memo: Path | None = None) -> Collection:
    """Read digest and size of every file; one that cannot be read is listed and stops nothing."""
    return collection_from(samples, read_index(samples.paths, memo))


def collection_from(samples: SampleTable, index: Sequence[IndexedImage | Unreadable]) -> Collection:
    """The collection of samples whose images, one a sample, were read already."""
    read = [entry if isinstance(entry, IndexedImage) else _UNKNOWN for entry in index]
    widths = np.fromiter((entry.width for entry in read), np.int64, len(read))
    heights = np.fromiter((entry.height for entry in read), np.int64, len(read))
    return Collection(
        **vars(samples),
        digests=tuple([entry.digest for entry in read]),
        sizes=np.stack([widths, heights], axis=1),
        unreadable={
            path: entry.reason
            for path, entry in zip(samples.paths, index, strict=True)
            if isinstance(entry, Unreadable)
        },
    )
