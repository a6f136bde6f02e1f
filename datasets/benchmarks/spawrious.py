"""Read Spawrious: generated dogs of four breeds in six places, 224 px.

Lynch, Dovonon, Kaddour and Silva, arXiv 2303.05470. The archive's layout is
`spawrious224/{0,1}/{place}/{breed}/*`, with 3,168 images in each folder. This file says which of
them the hard one-to-one and the hard many-to-many benchmark take.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..benchmark_facts import BenchmarkFacts, benchmark_root, not_found
from ..collection import Collection
from ..formats.folder import images_in
from ..request import Request, check_options
from .class_in_place import ClassInPlace, read_groups

CLASSES = ("bulldog", "corgi", "dachshund", "labrador")
TOP = "spawrious224"
FULL = 3168
"""Each folder of the published archive has this many images."""

MAJORITY, MINORITY = (3072, 2756), (96, 412)
"""In one-to-one this many images show a breed in its own place, and this many on the beach, in
environments 1 and 2."""


@dataclass(frozen=True)
class FolderSelection:
    """A FolderSelection says what a benchmark takes of a folder: the first `limit` images by name.

    shown: their split, breed and place.
    folder: 0 or 1, the folder of the archive that the place lies in.
    limit: how many are taken of a published folder's 3,168.
    """

    shown: ClassInPlace
    folder: int
    limit: int = FULL


def _one_to_one(
    train: Mapping[str, str], filler: str, test: Mapping[str, str]
) -> tuple[FolderSelection, ...]:
    """Select what one-to-one takes, given the place of each breed in train and in test.

    filler: the place that every breed shares in train. Environment 1 is folder 0 and environment 2
    folder 1; the test split is both folders, whole.
    """
    both = [(folder, breed) for folder in (0, 1) for breed in CLASSES]
    return (
        *(FolderSelection(ClassInPlace("train", b, train[b]), f, MAJORITY[f]) for f, b in both),
        *(FolderSelection(ClassInPlace("train", b, filler), f, MINORITY[f]) for f, b in both),
        *(FolderSelection(ClassInPlace("test", b, test[b]), f) for f, b in both),
    )


def _many_to_many(
    train: Mapping[str, tuple[str, str]], test: Mapping[str, tuple[str, str]]
) -> tuple[FolderSelection, ...]:
    """Select what many-to-many takes, given the two places of each breed in train and in test.

    Folder 0 alone is read; the first place of a breed is environment 1, the second environment 2.
    """
    return tuple(
        FolderSelection(ClassInPlace(split, breed, places[breed][environment]), 0)
        for split, places in (("train", train), ("test", test))
        for environment in (0, 1)
        for breed in CLASSES
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
    """Read the Spawrious benchmark that the request names from the published archive.

    request.root: the folder `spawrious224` or the folder that holds it.
    request.options: `proportional` (false) takes of a folder with fewer than 3,168 images, as in a
        miniature of the archive, the same share as of a published one, rounded; without it a folder
        gives all it has, up to the number published.

    Labels are numbered bulldog, corgi, dachshund, labrador; groups are `breed place`. There is no
    validation split. Image ids are paths in `spawrious224`; their first part, 0 or 1, is
    environment 1 or 2 of one-to-one.

    Raises UsageError for folders that are missing.
    """
    check_options(request, ("proportional",))
    proportional = _flag(request, "proportional")
    root = benchmark_root(request.name, request.root, FACTS[request.name])
    top = root / TOP if (root / TOP).is_dir() else root
    prefix = len(str(top)) + 1
    found = [
        (selection.shown, path, path[prefix:])
        for selection in SELECTIONS[request.name]
        for path in _taken(request.name, top, selection, proportional)
    ]
    # By breed, then by place.
    groups = sorted({selection.shown.group for selection in SELECTIONS[request.name]})
    return read_groups(request, found, CLASSES, groups)


def _taken(name: str, top: Path, selection: FolderSelection, proportional: bool) -> list[str]:
    shown = selection.shown
    folder = top / str(selection.folder) / shown.place / shown.class_name
    if not folder.is_dir():
        raise not_found(name, f"there is no {folder}", FACTS[name])
    # The authors' loader takes the first ones in the order of the directory's listing, which
    # differs between machines; names are the same everywhere (as text: 10.png before 9.png).
    files = images_in(folder)
    return files[: images_taken(selection.limit, len(files), proportional)]


def images_taken(published: int, available: int, proportional: bool = False) -> int:
    """Return how many of a folder's images are taken.

    published: how many the benchmark takes of the 3,168 in the published folder.
    available: how many images the folder has here.
    proportional: take published / 3168 of those available, rounded half up.

    It is never more than `published`, nor than are available.
    """
    # In integers, so that a half is rounded up on every machine.
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


def _counts(selections: Iterable[FolderSelection]) -> dict[str, dict[str, int]]:
    """Return the published number of samples of each split and group."""
    counted: dict[str, Counter[str]] = {"train": Counter(), "test": Counter()}
    for selection in selections:
        counted[selection.shown.split][selection.shown.group] += selection.limit
    return {split: dict(groups) for split, groups in counted.items()}


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
