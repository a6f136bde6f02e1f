"""List the datasets that can be named, and count a collection: sizes, boxes, duplicates."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.collection import Collection
from ...datasets.registry import facts_of, names
from ..experiment.load import load_experiment
from ..planning.collection import load_collection

Table = list[dict[str, Any]]
CLASSES_SHOWN = 8


@dataclass(frozen=True)
class Summary:
    """A Summary is a collection in numbers.

    name: of the collection. samples: their number. images: the number of unique images.
    groups: a line for each split and group that has samples, with samples, images, unreadable files
        and samples with boxes.
    classes: split -> class -> samples.
    sizes: "WIDTHxHEIGHT" -> images, the commonest first.
    dimensions: "width" and "height", each as least, median and most in pixels; "square": the share
        of images that are as wide as high; "aspect": the median of the longer side over the
        shorter, by which squashing distorts. Empty if no image can be read.
    boxes: numbers of samples with boxes and with several; the most boxes of a sample; the median
        share of the image that its boxes cover, overlaps counted twice, None without boxes.
    duplicates: the number of samples whose image an earlier sample shows; numbers of images that
        stand in several splits, in both train and test, and under several classes.
    remarks: what a reader of the dataset should know.
    """

    name: str
    samples: int
    images: int
    groups: Table
    classes: dict[str, dict[str, int]]
    sizes: dict[str, int]
    dimensions: dict[str, Any]
    boxes: dict[str, Any]
    duplicates: dict[str, int]
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all fields as plain JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return what a person reads below the table of groups."""
        classes = [_class_line(split, found) for split, found in self.classes.items()]
        sizes = _size_lines(self.sizes, self.dimensions)
        notes = [f"note: {remark}" for remark in self.remarks]
        return [*classes, *sizes, self._box_line(), self._duplicate_line(), *notes]

    def _box_line(self) -> str:
        if not self.boxes["samples"]:
            return "boxes: none"
        return (
            f"boxes: {self.boxes['samples']:,} of {self.samples:,} samples, "
            f"{self.boxes['several']:,} with several (at most {self.boxes['most']}); they cover "
            f"{self.boxes['median_share'] or 0:.1%} of the image (median)"
        )

    def _duplicate_line(self) -> str:
        found = self.duplicates
        if not found["samples"]:
            return "duplicates: none"
        return (
            f"duplicates: {found['samples']:,} samples show an image that another one shows; "
            f"images in several splits: {found['across_splits']:,} (in train and test: "
            f"{found['train_and_test']:,}), under several classes: {found['across_classes']:,}"
        )


def known_datasets() -> Table:
    """Return a line for every dataset that can be named, in the order of the registry.

    "name", "what" it is, and the "title" and "paper" of its publication, "" where it has none.
    """
    found = [(name, what, facts_of(name)) for name, what in names()]
    return [
        {
            "name": name,
            "what": what,
            "title": facts.title if facts else "",
            "paper": facts.paper if facts else "",
        }
        for name, what, facts in found
    ]


def summarize_dataset(
    source: Path | None, overrides: Mapping[str, Any], cache_root: Path | None
) -> Summary:
    """Return the numbers of the collection that an experiment file, or flags alone, name.

    Raises:
        UsageError: the experiment is wrong, or the dataset cannot be found.
    """
    experiment = load_experiment(source, overrides)
    return summarize(load_collection(experiment, cache=cache_root))


def summarize(collection: Collection) -> Summary:
    """Return a collection in numbers, without decoding an image."""
    sizes = _image_sizes(collection)
    return Summary(
        name=collection.name,
        samples=len(collection),
        images=len(collection.images),
        groups=group_table(collection),
        classes=class_counts(collection),
        sizes=_sizes(sizes),
        dimensions=_dimensions(sizes),
        boxes=_boxes(collection),
        duplicates=_duplicates(collection),
        remarks=collection.remarks,
    )


def group_table(collection: Collection) -> Table:
    """Return a line for every split and group that has samples, as `Summary.groups` has it."""
    groups = [*range(len(collection.group_names)), -1]
    cells = itertools.product(dict.fromkeys(collection.splits.tolist()), groups)
    lines = [_group_line(collection, split, group) for split, group in cells]
    return [line for line in lines if line["samples"]]


def class_counts(collection: Collection) -> dict[str, dict[str, int]]:
    """Return split -> class -> samples, for the classes that occur; empty if no sample has one."""
    found: dict[str, dict[str, int]] = {}
    for split in dict.fromkeys(collection.splits.tolist()):
        labels = collection.labels[collection.splits == split]
        counts = np.bincount(labels[labels >= 0], minlength=len(collection.class_names)).tolist()
        named = zip(collection.class_names, counts, strict=True)
        found[split] = {name: count for name, count in named if count}
    return {split: counts for split, counts in found.items() if counts}


def _group_line(collection: Collection, split: str, group: int) -> dict[str, Any]:
    chosen = np.flatnonzero((collection.splits == split) & (collection.groups == group))
    digests = [collection.digests[index] for index in chosen]
    return {
        "split": split or "(none)",
        "group": collection.group_names[group] if group >= 0 else "(none)",
        "samples": len(chosen),
        "images": len({digest for digest in digests if digest}),
        "unreadable": sum(not digest for digest in digests),
        "with_boxes": sum(len(collection.boxes[index]) > 0 for index in chosen),
    }


def _image_sizes(collection: Collection) -> NDArray[np.int64]:
    """Return the width and height of every image that can be read, once, (n, 2)."""
    row_of = dict(zip(collection.digests, range(len(collection)), strict=True))
    row_of.pop("", None)
    sizes = collection.sizes[list(row_of.values())]
    return np.asarray(sizes[(sizes > 0).all(axis=1)])


def _sizes(sizes: NDArray[np.int64]) -> dict[str, int]:
    counted = Counter(map(tuple, sizes.tolist()))
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return {f"{width}x{height}": count for (width, height), count in ordered}


def _dimensions(sizes: NDArray[np.int64]) -> dict[str, Any]:
    if not len(sizes):
        return {}
    spread = np.stack([sizes.min(axis=0), np.median(sizes, axis=0), sizes.max(axis=0)], axis=1)
    return {
        "width": spread[0].tolist(),
        "height": spread[1].tolist(),
        "square": float((sizes[:, 0] == sizes[:, 1]).mean()),
        "aspect": float(np.median(sizes.max(axis=1) / sizes.min(axis=1))),
    }


def _boxes(collection: Collection) -> dict[str, Any]:
    counts = [len(boxes) for boxes in collection.boxes]
    areas = collection.sizes.prod(axis=1)
    shares = [
        (boxes[:, 2:] - boxes[:, :2]).prod(axis=1).sum() / area
        for boxes, area in zip(collection.boxes, areas.tolist(), strict=True)
        if len(boxes) and area
    ]
    return {
        "samples": sum(count > 0 for count in counts),
        "several": sum(count > 1 for count in counts),
        "most": max(counts, default=0),
        "median_share": float(np.median(shares)) if shares else None,
    }


def _duplicates(collection: Collection) -> dict[str, int]:
    readable = sum(digest != "" for digest in collection.digests)
    shown = set(zip(collection.digests, collection.splits.tolist(), strict=True))
    in_both = [digest for digest, split in shown if split == "train" and (digest, "test") in shown]
    return {
        "samples": readable - len(collection.images),
        "across_splits": _images_of_several(collection, collection.splits.tolist()),
        "train_and_test": sum(digest != "" for digest in in_both),
        "across_classes": _images_of_several(collection, collection.labels.tolist()),
    }


def _images_of_several(collection: Collection, values: list[Any]) -> int:
    """Return the number of images whose samples do not all have the same value."""
    pairs = {(digest, value) for digest, value in zip(collection.digests, values, strict=True)}
    return sum(count > 1 for count in Counter(digest for digest, _ in pairs if digest).values())


def _class_line(split: str, counts: Mapping[str, int]) -> str:
    head = f"classes of {split}" if split else "classes"
    if len(counts) > CLASSES_SHOWN:
        least, most = min(counts.values()), max(counts.values())
        return f"{head}: {len(counts):,}, of {least:,} to {most:,} samples each"
    total = sum(counts.values())
    shown = [f"{name} {count:,} ({count / total:.1%})" for name, count in counts.items()]
    return f"{head}: {', '.join(shown)}"


def _size_lines(sizes: Mapping[str, int], dimensions: Mapping[str, Any]) -> list[str]:
    if not dimensions:
        return ["sizes: no image can be read"]
    square, aspect = f"{dimensions['square']:.1%}", f"{dimensions['aspect']:.2f}"
    shape = f"{square} are square; aspect ratio {aspect} (median)"
    common, count = next((size.replace("x", " x "), count) for size, count in sizes.items())
    if len(sizes) == 1:
        return [f"sizes: {common} px, all images; {shape}"]
    width, height = (
        ", ".join(f"{number:g}" for number in dimensions[side]) for side in ("width", "height")
    )
    return [
        f"sizes: {len(sizes):,} different; the commonest is {common} ({count:,} images); {shape}",
        f"least, median and most: {width} px wide, {height} px high",
    ]
