"""Make a collection of the table of samples that a loader knows, by reading the image files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .collection import NO_BOXES, Boxes, Collection
from .images.index import Unreadable, read_index
from .images.memo import IndexedImage

_UNKNOWN = IndexedImage("", 0, 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class SampleTable:
    """A SampleTable holds N samples as a loader knows them, before an image is read.

    The fields are those of `Collection`; a dataset leaves out what it does not have. Labels and
    groups are then -1, splits "", boxes none, and the paths stand for image ids. `splits` may be
    one word for all samples.
    """

    name: str
    paths: Sequence[str]
    labels: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    groups: NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    splits: Sequence[str] | NDArray[np.str_] = ""
    boxes: Boxes | None = None
    image_ids: Sequence[str] | None = None
    remarks: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    annotated: NDArray[np.int64] | None = None


def read_collection(samples: SampleTable, memo: Path | None = None) -> Collection:
    """Read digest and size of every image, and return the collection.

    memo: the file that remembers digests and sizes between runs; None reads every file.

    An image that cannot be read is listed in the collection's `unreadable` and stops nothing.
    Raises A2pipeError only if the machine is at fault, and UsageError for fields that do not fit.
    """
    return collection_from(samples, read_index(samples.paths, memo))


def collection_from(samples: SampleTable, index: Sequence[IndexedImage | Unreadable]) -> Collection:
    """Return the collection of samples whose images were read already.

    index: what was read of each sample's image, in the order of the samples.

    Raises UsageError for fields that do not have one entry a sample.
    """
    count = len(samples.paths)
    none = np.full(count, -1, np.int64)
    one_split = isinstance(samples.splits, str)
    read = [entry if isinstance(entry, IndexedImage) else _UNKNOWN for entry in index]
    widths = np.fromiter((entry.width for entry in read), np.int64, len(read))
    heights = np.fromiter((entry.height for entry in read), np.int64, len(read))
    return Collection(
        name=samples.name,
        paths=tuple(samples.paths),
        labels=none if samples.labels is None else samples.labels,
        class_names=samples.class_names,
        groups=none if samples.groups is None else samples.groups,
        group_names=samples.group_names,
        splits=np.array([samples.splits] * count if one_split else samples.splits, np.str_),
        boxes=(NO_BOXES,) * count if samples.boxes is None else samples.boxes,
        image_ids=tuple(samples.paths if samples.image_ids is None else samples.image_ids),
        remarks=samples.remarks,
        masks=samples.masks,
        annotated=samples.annotated,
        digests=tuple([entry.digest for entry in read]),
        sizes=np.stack([widths, heights], axis=1),
        unreadable={
            path: entry.reason
            for path, entry in zip(samples.paths, index, strict=True)
            if isinstance(entry, Unreadable)
        },
    )
