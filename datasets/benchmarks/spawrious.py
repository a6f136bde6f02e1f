"""Spawrious: generated dogs of four breeds in six places, 224 px.

Lynch, Dovonon, Kaddour and Silva, arXiv 2303.05470. The layout is
`spawrious224/{0,1}/{place}/{breed}/*`, 3,168 images in each folder. The hard one-to-one and the
hard many-to-many benchmark take these images of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UsageError
from ..benchmark_facts import BenchmarkFacts, benchmark_root, not_found
from ..collection import NO_BOXES, Collection
from ..formats.folder import images_in
from ..numbering import name_indices
from ..request import Request, check_options
from ..sample_table import SampleTable, read_collection

CLASSES = ("bulldog", "corgi", "dachshund", "labrador")
TOP = "spawrious224"
FULL = 3168
"""Images in a folder of the published archive."""

MAJORITY, MINORITY = (3072, 2756), (96, 412)
"""One-to-one: images of the breed's own place and of the beach, in environments 1 and 2."""


@dataclass(frozen=True)
class FolderSelection:
    """The images of one folder that a benchmark takes: the first `limit` by name, or all."""

    split: str
    folder: int
    place: str
    breed: str
    limit: int = FULL

    @property
    def group(self) -> str:
        """Such as `corgi desert`."""
        return f"{self.breed} {self.place}"


def _one_to_one(
    train: Mapping[str, str], filler: str, test: Mapping[str, str]
) -> tuple[FolderSelection, ...]:
    """Environment 1 is folder 0, environment 2 folder 1; the test split is both folders, whole."""
    return (
        *(FolderSelection("train", e, train[b], b, MAJORITY[e]) for e in (0, 1) for b in CLASSES),
        *(FolderSelection("train", e, filler, b, MINORITY[e]) for e in (0, 1) for b in CLASSES),
        *(FolderSelection("test", e, test[b], b) for e in (0, 1) for b in CLASSES),
    )


def _many_to_many(
    train: Mapping[str, tuple[str, str]], test: Mapping[str, tuple[str, str]]
) -> tuple[FolderSelection, ...]:
    """Folder 0 alone; the first place of a breed is environment 1, the second environment 2."""
    return (
        *(FolderSelection("train", 0, train[breed][e], breed) for e in (0, 1) for breed in CLASSES),
        *(FolderSelection("test", 0, test[breed][e], breed) for e in (0, 1) for breed in CLASSES),
    )


SELECTIONS: dict[str, tuple[FolderSelection, ...]] = {
    "spawrious-o2o-hard": _one_to_one(
        {"bulldog": "jungle", "dachshund": "mountain", "labrador": "snow", "corgi": "desert"},
        "beach",
        {"bulldog": "mountain", "dachshund": "snow", "labrador": "desert", "corgi": "jungle"},
    ),
    "spawrious-m2m-hard": _many_to_many(
        {
            "bulldog": ("dirt", "jungle"),
            "dachshund": ("jungle", "dirt"),
            "labrador": ("snow", "beach"),
            "corgi": ("beach", "snow"),
        },
        {
            "bulldog": ("snow", "beach"),
            "dachshund": ("beach", "snow"),
            "labrador": ("dirt", "jungle"),
            "corgi": ("jungle", "dirt"),
        },
    ),
}


def load_spawrious(request: Request) -> Collection:
    """Read the benchmark of that name from the archive; `root` is `spawrious224` or holds it.

    Labels are numbered bulldog, corgi, dachshund, labrador; groups are `breed place`. Of a folder
    the first files by name (as plain text, 10.png before 9.png) are taken; the authors' loader
    takes the first in the order of the listing, which differs between machines. There is no
    validation split. Image ids are paths in `spawrious224`; of one-to-one their first part, 0 or 1,
    is environment 1 or 2.

    Option `proportional` (false): folders with fewer than 3,168 images, as in a miniature, give the
    same share of theirs, rounded; without it they give what they have, up to the number published.

    Raises UsageError for folders that are missing.
    """
    check_options(request, ("proportional",))
    proportional = _flag(request, "proportional")
    root = benchmark_root(request.name, request.root, FACTS[request.name])
    top = root / TOP if (root / TOP).is_dir() else root
    parts = SELECTIONS[request.name]
    found = [(p, path) for p in parts for path in _taken(request.name, top, p, proportional)]
    groups = _groups(parts)
    prefix = len(str(top)) + 1
    return read_collection(
        SampleTable(
            name=request.name,
            paths=tuple([path for _, path in found]),
            labels=name_indices([part.breed for part, _ in found], CLASSES),
            class_names=CLASSES,
            groups=name_indices([part.group for part, _ in found], groups),
            group_names=groups,
            splits=np.array([part.split for part, _ in found], np.str_),
            boxes=(NO_BOXES,) * len(found),
            image_ids=tuple([path[prefix:] for _, path in found]),
        ),
        request.memo,
    )


def _taken(name: str, top: Path, part: FolderSelection, proportional: bool) -> list[str]:
    folder = top / str(part.folder) / part.place / part.breed
    if not folder.is_dir():
        raise not_found(name, f"there is no {folder}", FACTS[name])
    files = images_in(folder)
    return files[: limit(part.limit, len(files), proportional)]


def limit(published: int, available: int, proportional: bool = False) -> int:
    """How many of the `available` images of a folder are taken, of which `published` of 3,168 are.

    Proportional: published / 3168 of those available, rounded half up, and never above `published`.
    """
    share = (2 * available * published + FULL) // (2 * FULL)
    return min(published, share) if proportional else min(published, available)


def _flag(request: Request, option: str) -> bool:
    value: Any = request.options.get(option, False)
    if not isinstance(value, bool):
        raise UsageError(
            f"Dataset {request.name}: option {option} = {value!r} is neither true nor false; give "
            "one of them."
        )
    return value


def _groups(parts: Iterable[FolderSelection]) -> tuple[str, ...]:
    """By breed, then by place."""
    return tuple(sorted({part.group for part in parts}))


def _counts(parts: Iterable[FolderSelection]) -> dict[str, dict[str, int]]:
    """Published samples of each split and group."""
    counted: dict[str, dict[str, int]] = {"train": {}, "test": {}}
    for part in parts:
        of_split = counted[part.split]
        of_split[part.group] = of_split.get(part.group, 0) + part.limit
    return counted


def _facts(name: str, title: str) -> BenchmarkFacts:
    return BenchmarkFacts(
        title=title,
        paper="Lynch, Dovonon, Kaddour and Silva, Spawrious: A Benchmark for Fine Control of "
        "Spurious Correlation Biases, arXiv 2303.05470",
        homepage_name="its authors' repository aengusl/spawrious",
        counts=_counts(SELECTIONS[name]),
        notes=(
            "Which images of a folder the authors' loader takes depends on the machine; here the "
            "first by name.",
            "There is no validation split.",
        ),
    )


FACTS_O2O_HARD = _facts("spawrious-o2o-hard", "Spawrious (O2O hard)")
FACTS_M2M_HARD = _facts("spawrious-m2m-hard", "Spawrious (M2M hard)")
FACTS = {"spawrious-o2o-hard": FACTS_O2O_HARD, "spawrious-m2m-hard": FACTS_M2M_HARD}
