"""Define the collection: one table of samples, whatever dataset it came from."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .stratified_limit import stratified_indices

Boxes = tuple[NDArray[np.float64], ...]
T = TypeVar("T")

SPLITS = ("train", "val", "test")
NO_BOXES: NDArray[np.float64] = np.zeros((0, 4))
NO_BOXES.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Collection:
    """A Collection holds N samples. Several may share one image, in two contexts or of two classes.

    name: what the dataset is called.
    paths: absolute path, or locator in an archive, of each sample's image.
    labels: int64, (N,), index into `class_names`, -1 for none.
    class_names: the classes, in the order of their numbers.
    groups: int64, (N,), index into `group_names`, -1 for none.
    group_names: the groups, in the order of their numbers.
    splits: str, (N,), "train", "val", "test" or "".
    boxes: for each sample float64, (k, 4), x0, y0, x1, y1 in pixels of the upright original image,
        half-open; k may be 0.
    image_ids: the dataset's own name of each image.
    digests: first 32 hex digits of the SHA-256 of each file's bytes, "" if they could not be read.
    sizes: int64, (N, 2), width and height of the upright image in pixels; 0, 0 if unknown.
    unreadable: why the bytes could not be read, by path, of every file that could not be.
    remarks: sentences of its loader on what a user should know, such as boxes that were not found.
    masks: for each sample the path of an image of its size whose pixels are 0 for background, 255
        for what does not count and anything else for an object, "" for a sample without; an empty
        tuple if no sample has one. The digest does not cover them.
    annotated: int64, (N, 2), width and height that an annotation beside each image gives, 0, 0
        where it gives none; None for a dataset without such. They are not part of the digest.

    Raises UsageError if a field does not have one entry a sample or points at no name.
    """

    name: str
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    groups: NDArray[np.int64]
    group_names: tuple[str, ...]
    splits: NDArray[np.str_]
    boxes: Boxes
    image_ids: tuple[str, ...]
    digests: tuple[str, ...]
    sizes: NDArray[np.int64]
    unreadable: dict[str, str]
    remarks: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    annotated: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        # Plug-ins make collections too: a field of another length would shift labels silently.
        for field in ("labels", "groups", "splits", "boxes", "image_ids", "digests", "sizes"):
            if len(getattr(self, field)) != len(self.paths):
                raise UsageError(
                    f"Dataset {self.name}: {len(getattr(self, field))} {field} for {len(self)} "
                    "samples; its loader has to give one a sample."
                )
        if len(self.masks) not in (0, len(self)):
            raise UsageError(
                f"Dataset {self.name}: {len(self.masks)} masks for {len(self)} samples; its loader "
                "has to give one a sample, or none at all."
            )
        _require_names(self.name, "labels", self.labels, self.class_names)
        _require_names(self.name, "groups", self.groups, self.group_names)

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def digest(self) -> str:
        """Return 32 hex digits of images, labels, groups, splits, boxes and names, not of paths."""
        # Each part is preceded by its name and length, so that no two collections that differ run
        # together into the same bytes.
        parts = {
            "digests": "\n".join(self.digests).encode(),
            "labels": _bytes(self.labels),
            "class names": json.dumps(self.class_names).encode(),
            "groups": _bytes(self.groups),
            "group names": json.dumps(self.group_names).encode(),
            "splits": "\n".join(self.splits.tolist()).encode(),
            "box counts": _bytes(np.fromiter(map(len, self.boxes), np.int64, len(self))),
            "boxes": _bytes(_stacked(self.boxes), "<f8"),
        }
        whole = hashlib.sha256()
        for part, content in parts.items():
            whole.update(f"{part} {len(content)}\n".encode())
            whole.update(content)
        return whole.hexdigest()[:32]

    @cached_property
    def images(self) -> tuple[str, ...]:
        """Return the digest of every readable image, each once, in order of first appearance."""
        return tuple(self.path_of)

    @cached_property
    def path_of(self) -> dict[str, str]:
        """Return the path of the first sample of each image, by digest, in order of appearance."""
        # Two passes of dict() are faster with a million samples than a loop that looks each up.
        first = dict(zip(self.digests, self.paths, strict=True))
        if len(first) < len(self):
            for digest, path in zip(reversed(self.digests), reversed(self.paths), strict=True):
                first[digest] = path
        first.pop("", None)
        return first

    def take(self, indices: Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]) -> "Collection":
        """Return the samples at `indices`, in that order; classes and groups keep their numbers.

        indices: integers, or a bool mask of length N.
        """
        # An empty list would become an array of floats, which cannot index.
        chosen = np.arange(len(self))[np.asarray(indices, None if len(indices) else np.int64)]
        order = chosen.tolist()
        paths = _pick(self.paths, order)
        kept = set(paths) if self.unreadable else set()
        return replace(
            self,
            paths=paths,
            labels=self.labels[chosen],
            groups=self.groups[chosen],
            splits=self.splits[chosen],
            boxes=_pick(self.boxes, order),
            image_ids=_pick(self.image_ids, order),
            digests=_pick(self.digests, order),
            sizes=self.sizes[chosen],
            annotated=None if self.annotated is None else self.annotated[chosen],
            unreadable={path: why for path, why in self.unreadable.items() if path in kept},
            masks=_pick(self.masks, order) if self.masks else (),
        )

    def limit(self, n: int) -> "Collection":
        """Return at most `n` samples, in proportion of every group (or class) in every split.

        Every such part keeps at least one sample while `n` allows; of each part the first samples
        stay, in their order. Raises UsageError unless `n` is positive.
        """
        if n < 1:
            raise UsageError(
                f"A limit of {n} leaves no sample of {self.name}: give a positive number."
            )
        if n >= len(self):
            return self
        parts = self.groups if (self.groups >= 0).any() else self.labels
        return self.take(stratified_indices(parts, self.splits, n))


def check_classes(collection: Collection) -> None:
    """Raise UsageError unless a head can be fitted on the split `train` and tested on `test`.

    Both splits must have samples, each with a label, and no class may be in the test split alone.
    """
    for split in ("train", "test"):
        _require_labelled(collection, split)
    train = set(collection.labels[collection.splits == "train"].tolist())
    test = set(collection.labels[collection.splits == "test"].tolist())
    unseen = [collection.class_names[label] for label in sorted(test - train)]
    if unseen:
        raise UsageError(
            f"Dataset {collection.name}: no training sample of {_listed(unseen)}, which the test "
            "split has; add some, or leave those test samples out."
        )


def _require_labelled(collection: Collection, split: str) -> None:
    labels = collection.labels[collection.splits == split]
    if len(labels) == 0:
        raise UsageError(
            f"Dataset {collection.name} has no {split} samples, which a head needs: name the "
            "splits train, val and test by folder or by a split column."
        )
    missing = int((labels < 0).sum())
    if missing:
        raise UsageError(
            f"Dataset {collection.name}: {missing} of {len(labels)} {split} samples have no label; "
            "label them or leave them out."
        )


def _require_names(
    name: str, field: str, values: NDArray[np.int64], names: tuple[str, ...]
) -> None:
    if len(values) and not -1 <= values.min() <= values.max() < len(names):
        raise UsageError(
            f"Dataset {name}: {field} run from {values.min()} to {values.max()}, "
            f"but there are {len(names)} names; number them from 0, or -1 for none."
        )


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more classes"


def _pick(values: tuple[T, ...], order: list[int]) -> tuple[T, ...]:
    return tuple([values[index] for index in order])


def _bytes(values: NDArray[np.generic], dtype: str = "<i8") -> bytes:
    """Return the bytes of an array, the same on machines of either byte order."""
    return np.ascontiguousarray(values, dtype).tobytes()


def _stacked(boxes: Boxes) -> NDArray[np.float64]:
    filled = list(filter(len, boxes))
    return np.concatenate(filled) if filled else NO_BOXES
