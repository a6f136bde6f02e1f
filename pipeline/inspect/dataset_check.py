"""Check a dataset on disk: against its published counts, image by image, box by box."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.benchmark_facts import ALL, BenchmarkFacts
from ...datasets.collection import Collection
from ...datasets.registry import facts_of
from ...errors import BadImageError
from ...machine import cores
from ...stages.geometry import Canvas
from ...stages.pixels import decode
from ..experiment.load import load_experiment
from ..planning.collection import load_collection
from ..shards.bad_images import BadImage
from ..shards.prefetch import prefetch
from ..shards.progress import Progress
from .box_traits import WRONG, Boxes, BoxFinding, Size, find_traits

BATCH, BATCHES_AHEAD = 64, 4
PUBLISHED, DIFFERS, BAD_IMAGES = 0, 1, 3
"""`a2pipe datasets check` ends with one of these exit codes."""
CANVAS = Canvas(224)


@dataclass(frozen=True)
class Count:
    """A Count is the number of samples in one part of a split, as published and as it is here.

    split: "train", "val", "test" or "". name: of the group or class, or `ALL` for the whole split.
    """

    split: str
    name: str
    published: int
    here: int


@dataclass(frozen=True)
class DatasetCheck:
    """A DatasetCheck says what a check found.

    name: of the dataset. title: under which it was published, "" if it was not. samples: number of
    samples. images: number of unique images that were decoded, bad ones included. counts: of all
    parts that were published or are here. bad: images that cannot be used. boxes: number of boxes
    of images that decode. findings: what is the matter with them. remarks: what a reader of the
    dataset should know.
    """

    name: str
    title: str
    samples: int
    images: int
    counts: tuple[Count, ...]
    bad: tuple[BadImage, ...]
    boxes: int
    findings: tuple[BoxFinding, ...]
    remarks: tuple[str, ...]

    @property
    def differing(self) -> tuple[Count, ...]:
        """Return the counts that are not the published ones."""
        return tuple(count for count in self.counts if count.here != count.published)

    @property
    def wrong_boxes(self) -> int:
        """Return the number of boxes that no image can have."""
        return sum(found.boxes for found in self.findings if found.trait in WRONG)

    @property
    def exit_code(self) -> int:
        """Return 3 for bad images, else 1 if counts differ or boxes are wrong, else 0."""
        if self.bad:
            return BAD_IMAGES
        return DIFFERS if self.differing or self.wrong_boxes else PUBLISHED

    @property
    def verdict(self) -> str:
        """Return the whole result in one sentence."""
        problems = [
            *_some(len(self.bad), "image that cannot be used", "images that cannot be used"),
            *_some(len(self.differing), "count that differs", "counts that differ"),
            *_some(self.wrong_boxes, "box that lies wrong", "boxes that lie wrong"),
        ]
        if problems:
            return f"{self.name} is not sound: {', '.join(problems)}."
        if not self.counts:
            return f"{self.name} is sound: every image decodes (no published counts to compare)."
        return f"{self.name} is as {self.title} was published, and every image decodes."

    def to_json(self) -> dict[str, Any]:
        """Return all fields, the verdict and the exit code as plain JSON values."""
        return {**asdict(self), "verdict": self.verdict, "exit_code": self.exit_code}

    def count_table(self) -> list[dict[str, Any]]:
        """Return a line for each count, in which a difference is marked."""
        return [
            {**asdict(count), "differs": "" if count.here == count.published else "differs"}
            for count in self.counts
        ]

    def lines(self) -> list[str]:
        """Return what a person reads below the table of counts; the verdict comes last."""
        bad = [f"bad image: {image.path}: {image.reason}" for image in self.bad]
        boxes = [
            f"boxes {found.trait}: {found.boxes:,} (first in {', '.join(found.examples)})"
            for found in self.findings
        ]
        decoded = f"{self.images:,} images decoded, {self.boxes:,} boxes mapped"
        notes = [f"note: {remark}" for remark in self.remarks]
        return [decoded, *bad, *boxes, *notes, self.verdict]


def check_dataset(
    overrides: Mapping[str, Any], cache_root: Path | None, progress: Progress
) -> DatasetCheck:
    """Load the dataset that overrides such as "dataset.name" and "dataset.root" name, and check it.

    Raises:
        UsageError: the dataset is unknown or is not where it should be.
    """
    experiment = load_experiment(None, overrides)
    collection = load_collection(experiment, cache=cache_root)
    facts = facts_of(experiment.dataset.name)
    workers, canvas = experiment.run.workers, experiment.image.canvas
    return check_collection(collection, facts, progress, workers, canvas)


def check_collection(
    collection: Collection,
    facts: BenchmarkFacts | None,
    progress: Progress,
    workers: int | None = None,
    canvas: Canvas = CANVAS,
) -> DatasetCheck:
    """Compare a collection with what was published, decode every image and map every box.

    facts: what was published, None if nothing was. workers: number of decoding threads, one a core
    unless given. canvas: what images and boxes are mapped to.
    """
    decoded = _decode_all(collection, progress, workers or cores())
    return DatasetCheck(
        name=collection.name,
        title=facts.title if facts else "",
        samples=len(collection),
        images=len(decoded),
        counts=tuple(_counts(collection, facts)) if facts else (),
        bad=tuple(_bad_images(collection, decoded)),
        boxes=sum(len(boxes) for _, boxes, _ in _boxed(collection, decoded)),
        findings=tuple(find_traits(_boxed(collection, decoded), canvas)),
        remarks=(*(facts.notes if facts else ()), *collection.remarks),
    )


# --- counts -------------------------------------------------------------------------------------


def _counts(collection: Collection, facts: BenchmarkFacts) -> Iterator[Count]:
    """Yield every published count beside the one here, then the splits that were not published."""
    for split, published in facts.counts.items():
        for name, count in published.items():
            here = (collection.splits == split) & _named(collection, name)
            yield Count(split, name, count, int(here.sum()))
    for split in dict.fromkeys(collection.splits.tolist()):
        if split not in facts.counts:
            yield Count(split, ALL, 0, int((collection.splits == split).sum()))


def _named(collection: Collection, name: str) -> NDArray[np.bool_]:
    """Return which samples a group of this name has, else a class of it; `ALL` has all."""
    if name in collection.group_names:
        return np.equal(collection.groups, collection.group_names.index(name))
    if name in collection.class_names:
        return np.equal(collection.labels, collection.class_names.index(name))
    return np.full(len(collection), name == ALL)


# --- images -------------------------------------------------------------------------------------


def _decode_all(
    collection: Collection, progress: Progress, workers: int
) -> dict[str, Size | BadImageError]:
    """Return by digest the width and height of each image, or why it cannot be decoded."""
    paths = list(collection.path_of.values())
    jobs = [partial(_size, path) for path in paths]
    batches = ((None, jobs[start : start + BATCH]) for start in range(0, len(jobs), BATCH))
    found: list[Size | BadImageError] = []
    with (
        progress.bar("images", len(paths)) as advance,
        ThreadPoolExecutor(workers, "decode") as pool,
        closing(prefetch(batches, pool, BATCHES_AHEAD)) as sizes,
    ):
        for _, decoded in sizes:
            found += decoded
            advance(len(decoded))
    return dict(zip(collection.path_of, found, strict=True))


def _size(path: str) -> Size | BadImageError:
    try:
        height, width, _ = decode(path).shape
    except BadImageError as error:
        return error
    return width, height


def _bad_images(
    collection: Collection, decoded: Mapping[str, Size | BadImageError]
) -> Iterator[BadImage]:
    """Yield the files that cannot be read or decoded, each once, in the collection's order."""
    pairs = dict(zip(collection.paths, collection.digests, strict=True))
    for path, digest in pairs.items():
        reason = decoded[digest] if digest else collection.unreadable[path]
        if not isinstance(reason, tuple):
            yield BadImage(path, digest, str(reason))


def _boxed(
    collection: Collection, decoded: Mapping[str, Size | BadImageError]
) -> Iterator[tuple[str, Boxes, Size]]:
    """Yield id, boxes and size of the image of every sample that has boxes and decodes."""
    for index, boxes in enumerate(collection.boxes):
        size = decoded.get(collection.digests[index])
        if len(boxes) and isinstance(size, tuple):
            yield collection.image_ids[index], boxes, size


def _some(count: int, one: str, many: str) -> list[str]:
    """Return the count in words, as "1 box" or "2 boxes", and nothing for 0."""
    return [f"{count:,} {one if count == 1 else many}"] if count else []
