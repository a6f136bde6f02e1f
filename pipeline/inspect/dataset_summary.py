"""The datasets that can be named, and a collection in numbers: counts, sizes, boxes, duplicates."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.collection import Collection
from ...datasets.registry import facts_of, names
from ..experiment.toml import load_experiment
from ..planning.collection import load_collection

Table = list[dict[str, Any]]
CLASSES_SHOWN = 8


@dataclass(frozen=True)
class KnownDataset:
    """A dataset that can be named: its name, a line about it, and the title and paper of its
    publication, which are "" where it has none."""

    name: str
    what: str
    title: str
    paper: str

    @property
    def source(self) -> str:
        """Name, title and paper in one line, or "" without a publication."""
        return f"{self.name}: {self.title}. {self.paper}." if self.paper else ""


def known_datasets() -> list[KnownDataset]:
    """Return every dataset that can be named, in the order of the registry."""
    found = [(name, what, facts_of(name)) for name, what in names()]
    return [
        KnownDataset(name, what, facts.title if facts else "", facts.paper if facts else "")
        for name, what, facts in found
    ]


@dataclass(frozen=True)
class Summary:
    """A collection in numbers.

    groups: samples, images and boxes by split and group, without empty lines.
    classes: split -> class -> samples. sizes: width x height -> images, the commonest first.
    dimensions: width and height, each as least, median and most in pixels; square: share of the
        images that are as wide as high; aspect: median of the longer side over the shorter, the
        factor by which squashing distorts. Empty where no image can be read.
    boxes: samples with boxes, with several, most boxes of a sample, median share of the image that
        its boxes cover (None without boxes). Boxes that overlap count twice.
    duplicates: samples whose image an earlier sample shows; images that stand in several splits,
        in train and test, and under several classes.
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
        return asdict(self)

    def lines(self) -> list[str]:
        """Below the table of groups, for a person."""
        classes = [_class_line(split, found) for split, found in self.classes.items()]
        notes = [f"note: {remark}" for remark in self.remarks]
        sizes = _size_lines(self.sizes, self.dimensions)
        return [*classes, *sizes, self._boxes(), self._duplicates(), *notes]

    def _boxes(self) -> str:
        if not self.boxes["samples"]:
            return "boxes: none"
        return (
            f"boxes: {self.boxes['samples']:,} of {self.samples:,} samples, "
            f"{self.boxes['several']:,} with several (at most {self.boxes['most']}); they cover "
            f"{self.boxes['median_share'] or 0:.1%} of the image (median)"
        )

    def _duplicates(self) -> str:
        found = self.duplicates
        if not found["samples"]:
            return "duplicates: none"
        return (
            f"duplicates: {found['samples']:,} samples show an image that another one shows; "
            f"images in several splits: {found['across_splits']:,} (in train and test: "
            f"{found['train_and_test']:,}), under several classes: {found['across_classes']:,}"
        )


def summarize_dataset(
    source: Path | None, overrides: Mapping[str, Any], cache_root: Path | None
) -> Summary:
    """The collection that an experiment, or flags alone, are about, in numbers."""
    experiment = load_experiment(source, overrides)
    return summarize(load_collection(experiment, cache=cache_root))


def summarize(collection: Collection) -> Summary:
    """A collection in numbers; no image is decoded."""
    return Summary(
        name=collection.name,
        samples=len(collection),
        images=len(collection.images),
        groups=group_table(collection),
        classes=class_counts(collection),
        sizes=_sizes(collection),
        dimensions=_dimensions(collection),
        boxes=_boxes(collection),
        duplicates=_duplicates(collection),
        remarks=collection.remarks,
    )


def group_table(collection: Collection) -> Table:
    """Samples, images, unreadable files and boxes of every split and group that has samples."""
    groups = [*range(len(collection.group_names)), -1]
    cells = itertools.product(dict.fromkeys(collection.splits.tolist()), groups)
    lines = [_group_line(collection, split, group) for split, group in cells]
    return [line for line in lines if line["samples"]]


def class_counts(collection: Collection) -> dict[str, dict[str, int]]:
    """Split -> class -> samples, for the classes that occur; empty where nothing has a class."""
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


def _sizes(collection: Collection) -> dict[str, int]:
    size_of = dict(zip(collection.digests, map(tuple, collection.sizes.tolist()), strict=True))
    size_of.pop("", None)
    counted = Counter(size for size in size_of.values() if all(size))
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return {f"{width}x{height}": count for (width, height), count in ordered}


def _dimensions(collection: Collection) -> dict[str, Any]:
    first = {digest: row for row, digest in reversed(list(enumerate(collection.digests))) if digest}
    sizes = collection.sizes[sorted(first.values())]
    sizes = sizes[(sizes > 0).all(axis=1)]
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
    return {
        "samples": readable - len(collection.images),
        "across_splits": _images_of_several(collection, collection.splits.tolist()),
        "train_and_test": len(_images_of(collection, "train") & _images_of(collection, "test")),
        "across_classes": _images_of_several(collection, collection.labels.tolist()),
    }


def _images_of(collection: Collection, split: str) -> set[str]:
    """The digests of a split's readable images."""
    there = (collection.splits == split).tolist()
    return {digest for digest, held in zip(collection.digests, there, strict=True) if held} - {""}


def _images_of_several(collection: Collection, values: list[Any]) -> int:
    """Images whose samples do not all have one value."""
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
    shape = (
        f"{dimensions['square']:.1%} are square; aspect ratio {dimensions['aspect']:.2f} (median)"
    )
    common, count = next(iter(sizes.items()))
    if len(sizes) == 1:
        return [f"sizes: {_by(common)} px, all images; {shape}"]
    (width, height) = (_spread(dimensions[side]) for side in ("width", "height"))
    return [
        f"sizes: {len(sizes):,} different; the commonest is {_by(common)} ({count:,} images); "
        f"{shape}",
        f"least, median and most: {width} px wide, {height} px high",
    ]


def _spread(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _by(size: str) -> str:
    return size.replace("x", " x ")
