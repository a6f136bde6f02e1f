"""Read Waterbirds: birds of CUB-200-2011 cut out and pasted on places of the Places dataset.

The released archive has `metadata.csv` (img_id, img_filename, y, split, place, place_filename)
beside class folders named as in CUB. The composites keep the size of the CUB images, so CUB's boxes
apply as they are.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UsageError
from ..benchmark_facts import BenchmarkFacts, benchmark_root, not_found
from ..collection import Collection
from ..request import Request, check_options
from ..safe_paths import join_inside
from ..sample_table import SampleTable, read_collection
from .built_files import write_built
from .cub_boxes import BOXES, IMAGES, CubBoxes, cub_boxes_at, find_cub_boxes

CLASSES = ("landbird", "waterbird")
GROUPS = ("landbird on land", "landbird on water", "waterbird on land", "waterbird on water")
SPLITS = {"0": "train", "1": "val", "2": "test"}
METADATA = "metadata.csv"

FACTS = BenchmarkFacts(
    title="Waterbirds",
    paper="Sagawa, Koh, Hashimoto and Liang, Distributionally Robust Neural Networks for Group "
    "Shifts, arXiv 1911.08731",
    homepage_name="the authors' repository kohpangwei/group_DRO",
    counts={
        "train": dict(zip(GROUPS, (3498, 184, 56, 1057), strict=True)),
        "val": dict(zip(GROUPS, (467, 466, 133, 133), strict=True)),
        "test": dict(zip(GROUPS, (2255, 2255, 642, 642), strict=True)),
    },
    notes=(
        "Generating the images again gives other ones: published numbers belong to the archive.",
        "The archive has no boxes; those of CUB-200-2011 (Wah and others, Caltech technical report "
        "CNS-TR-2011-001) apply unchanged.",
    ),
)


@dataclass(frozen=True)
class Bird:
    """A Bird is a row of metadata.csv.

    img_id: the image's id in CUB-200-2011, from 1.
    file: its path below the archive's folder.
    y: 1 for a waterbird, 0 for a landbird.
    place: 1 for water, 0 for land.
    split: "train", "val" or "test".
    """

    img_id: int
    file: str
    y: int
    place: int
    split: str


def load_waterbirds(request: Request) -> Collection:
    """Read the released archive.

    request.root: the archive's folder.
    request.options: `boxes`, CUB's folder or its bounding_boxes.txt; without it the boxes are
        looked for as `find_cub_boxes` says.

    Group = 2 y + place. Boxes are CUB's x, y, x + width, y + height in pixels, joined by img_id.
    If there are none, the collection has none and says so in its remarks.

    Raises UsageError for a root that is not the archive, rows that cannot be read, and boxes of
    other images.
    """
    check_options(request, ("boxes",))
    root = benchmark_root(request.name, request.root, FACTS)
    birds = read_metadata(request.name, root)

    # Boxes of other images are refused before the images are read, which takes far longer.
    found = find_cub_boxes(root, request.options.get("boxes"))
    if isinstance(found, CubBoxes):
        found.require_same_files({bird.img_id: bird.file for bird in birds})
    return read_collection(_samples(request.name, root, birds, found), request.memo)


def read_metadata(name: str, root: Path) -> list[Bird]:
    """Return the rows of metadata.csv in their order.

    name: the dataset's name, for errors. Raises UsageError if the file is missing or not as
    published.
    """
    path = root / METADATA
    if not path.is_file():
        raise not_found(name, f"there is no {path}", FACTS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            birds = [_bird(path, number, row) for number, row in enumerate(rows, 1)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not a CSV table ({error}): take the published one.") from error
    if not birds:
        raise UsageError(f"{path} has no rows: take the published one.")
    return birds


def _bird(path: Path, number: int, row: dict[str, str]) -> Bird:
    try:
        bird = Bird(
            int(row["img_id"]),
            row["img_filename"],
            int(row["y"]),
            int(row["place"]),
            SPLITS[row["split"]],
        )
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(
            f"{path}, row {number} does not have img_id, img_filename, y, split and place as the "
            f"published table has them ({error}): take that one."
        ) from error
    if bird.y not in (0, 1) or bird.place not in (0, 1):
        raise UsageError(f"{path}, row {number}: y and place are 0 or 1; take the published table.")
    return bird


def _samples(name: str, root: Path, birds: list[Bird], found: CubBoxes | str) -> SampleTable:
    boxes = found if isinstance(found, CubBoxes) else CubBoxes.none()
    ids = [bird.img_id for bird in birds]
    return SampleTable(
        name=name,
        paths=[join_inside(root, bird.file) for bird in birds],
        labels=np.array([bird.y for bird in birds], np.int64),
        class_names=CLASSES,
        groups=np.array([2 * bird.y + bird.place for bird in birds], np.int64),
        group_names=GROUPS,
        splits=[bird.split for bird in birds],
        boxes=boxes.of(ids),
        image_ids=[str(number) for number in ids],
        remarks=(found,) if isinstance(found, str) else boxes.remarks(ids),
    )


def build_boxes(root: Path, cub: Path, force: bool = False) -> list[Path]:
    """Write the boxes of CUB-200-2011 that belong to the archive beside its metadata.csv.

    root: the archive's folder.
    cub: the folder with CUB's bounding_boxes.txt and images.txt.
    force: replace files with other content.

    Returns the two files of these names in `root`; one that is there already with this content is
    left as it is. Raises UsageError for files that are missing or of other images, and without
    `force` if others lie in their place.
    """
    root = benchmark_root("waterbirds", root, FACTS)
    birds = read_metadata("waterbirds", root)
    found = cub_boxes_at(cub.expanduser())
    _require_all(found, birds)
    boxes = "".join(f"{b.img_id} {' '.join(map(str, found.rectangles[b.img_id]))}\n" for b in birds)
    names = "".join(f"{bird.img_id} {bird.file}\n" for bird in birds)
    contents = {root / BOXES: boxes.encode(), root / IMAGES: names.encode()}
    write_built(contents, force)
    return list(contents)


def _require_all(found: CubBoxes, birds: list[Bird]) -> None:
    if found.files is None:
        raise UsageError(f"There is no {found.path.with_name(IMAGES)}: give CUB_200_2011's folder.")
    found.require_same_files({bird.img_id: bird.file for bird in birds})
    for bird in birds:
        if bird.img_id not in found.rectangles or bird.img_id not in found.files:
            raise UsageError(
                f"{found.path.parent} lacks image {bird.img_id} ({bird.file}): give the whole "
                "CUB_200_2011 folder."
            )
