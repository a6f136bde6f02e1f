"""Read CelebA, aligned: blond hair or not, with the person's sex as the spurious attribute.

Tables are read as published (`.txt`, columns parted by spaces) or as commonly converted (`.csv`),
images in `img_align_celeba`. The aligned images have no boxes.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from ...errors import UsageError
from ..benchmark_facts import BenchmarkFacts, benchmark_root, not_found
from ..collection import Collection
from ..request import Request, check_options
from ..safe_paths import join_inside
from ..sample_table import SampleTable, read_collection

Faces = Mapping[str, tuple[int, int]]
"""Faces give blond and male, 0 or 1, by file name, in the order of the table."""

LABEL, ATTRIBUTE = "Blond_Hair", "Male"
CLASSES = ("non-blond", "blond")
GROUPS = ("non-blond female", "non-blond male", "blond female", "blond male")
# Published tables write -1 for no; some conversions to CSV write 0.
VALUES = {"-1": 0, "0": 0, "1": 1}
SPLITS = {"0": "train", "1": "val", "2": "test"}
ATTRIBUTES, PARTITION, IMAGES = "list_attr_celeba", "list_eval_partition", "img_align_celeba"
FOLDERS = (".", "Anno", "Eval", "Img", "data", "celeba")

FACTS = BenchmarkFacts(
    title="CelebA (Blond_Hair, with Male as the spurious attribute)",
    paper="Liu, Luo, Wang and Tang, Deep Learning Face Attributes in the Wild, ICCV 2015, "
    "arXiv 1411.7766; as a benchmark: Sagawa and others, arXiv 1911.08731",
    homepage_name="the Multimedia Laboratory of the Chinese University of Hong Kong",
    counts={
        "train": dict(zip(GROUPS, (71_629, 66_874, 22_880, 1_387), strict=True)),
        "val": dict(zip(GROUPS, (8_535, 8_276, 2_874, 182), strict=True)),
        "test": dict(zip(GROUPS, (9_767, 7_535, 2_480, 180), strict=True)),
    },
    notes=("The aligned images are 178 x 218 px and have no boxes.",),
    prompt_names=("person with dark hair", "person with blond hair"),
)


def load_celeba(request: Request) -> Collection:
    """Read CelebA.

    request.root: the folder in which, or in `Anno`, `Eval`, `Img`, `data` or `celeba` below it, the
        two tables and the folder of images lie.

    Label 1 is blond; group = 2 blond + male, with male 1 for men.

    Raises UsageError for what is missing, values other than -1 (or 0) and 1, and a partition that
    does not name every image of the table of attributes.
    """
    check_options(request, ())
    root = benchmark_root(request.name, request.root, FACTS)
    faces = _attributes(_table(request.name, root, ATTRIBUTES))
    splits = _partition(_table(request.name, root, PARTITION), faces)
    images = _images(request.name, root)
    return read_collection(_samples(request.name, images, faces, splits), request.memo)


def _samples(name: str, images: Path, faces: Faces, splits: list[str]) -> SampleTable:
    blond, male = np.array(list(faces.values()), np.int64).T
    return SampleTable(
        name=name,
        paths=[join_inside(images, face) for face in faces],
        labels=blond,
        class_names=CLASSES,
        groups=2 * blond + male,
        group_names=GROUPS,
        splits=splits,
        image_ids=list(faces),
    )


def _images(name: str, root: Path) -> Path:
    """Return the folder of images."""
    found = _find(name, root, (IMAGES,), Path.is_dir)
    # Some copies hold the folder within a folder of the same name.
    return found / IMAGES if (found / IMAGES).is_dir() else found


def _table(name: str, root: Path, stem: str) -> Path:
    return _find(name, root, (f"{stem}.csv", f"{stem}.txt"), Path.is_file)


def _find(name: str, root: Path, names: tuple[str, ...], is_there: Callable[[Path], bool]) -> Path:
    """Return the first of some names in the root or a usual folder below it."""
    for folder in FOLDERS:
        for each in names:
            if is_there(root / folder / each):
                return root / folder / each
    places = ", ".join(str(root / folder) for folder in FOLDERS)
    raise not_found(name, f"there is no {' or '.join(names)} in {places}", FACTS)


def _attributes(path: Path) -> Faces:
    """Read blond and male of each image."""
    cells = _read(path, (LABEL, ATTRIBUTE))
    if not {value for pair in cells.values() for value in pair} <= VALUES.keys():
        raise UsageError(f"{path}: {LABEL} and {ATTRIBUTE} are -1 or 1; take the published table.")
    return {name: (VALUES[blond], VALUES[male]) for name, (blond, male) in cells.items()}


def _partition(path: Path, faces: Faces) -> list[str]:
    """Read the split of each image in `faces`."""
    numbers = _read(path, ("partition",))
    splits = [SPLITS.get(numbers.get(name, ("",))[0], "") for name in faces]
    unknown = [name for name, split in zip(faces, splits, strict=True) if not split]
    if unknown:
        raise UsageError(
            f"{path} has no split 0, 1 or 2 for {unknown[0]} ({len(unknown):,} such images): take "
            "the published table."
        )
    return splits


def _read(path: Path, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the cells of some columns as text, by file name."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            count, names, rows = _opened(path, file)
            places = [names.index(column) for column in columns]
            found = {row[0]: tuple([row[place] for place in places]) for row in rows if row}
    except (ValueError, IndexError, StopIteration, OSError, csv.Error) as error:
        reason = str(error) or "it ends too early"
        raise UsageError(
            f"{path} cannot be read as a table ({reason}): take the published one."
        ) from error
    # The published table begins with its number of rows, which shows when a copy was cut short.
    if not found or count not in (None, len(found)):
        raise UsageError(
            f"{path} names {len(found):,} files, where {count or 'some'} are expected: take the "
            "published table."
        )
    return found


def _opened(path: Path, file: TextIO) -> tuple[int | None, list[str], Iterator[list[str]]]:
    """Return how many rows there should be (None if it is not said), the column names, the rows.

    As published, the attributes have a line with their count and one that names every column but
    the first; the partition has neither.
    """
    if path.suffix == ".csv":
        rows = csv.reader(file)
        return None, next(rows), rows
    words = map(str.split, file)
    if path.stem == PARTITION:
        return None, ["image_id", "partition"], words
    (count,), names = next(words), next(words)
    return int(count), ["image_id", *names], words
