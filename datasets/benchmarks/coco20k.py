"""Read COCO-20k: a list of training images of COCO 2014, with the boxes of their objects."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ..benchmark_facts import ALL, BenchmarkFacts, benchmark_root, not_found
from ..collection import NO_BOXES, Collection
from ..request import Request, check_options
from ..safe_paths import join_inside
from ..sample_table import SampleTable, read_collection

ANNOTATIONS = ("annotations/instances_train2014.json", "instances_train2014.json")
IMAGES = ("train2014", "images/train2014")
NUMBER = re.compile(r"(\d+)(?:\.\w+)?$")
"""It finds the id of an image at the end of its name: "COCO_train2014_000000000009.jpg"."""

FACTS = BenchmarkFacts(
    title="COCO-20k",
    paper="Vo, Perez and Ponce, Toward Unsupervised, Multi-Object Discovery in Large-Scale Image "
    "Collections, ECCV 2020, arXiv 2007.02662",
    homepage_name="the COCO project (train2014.zip and annotations_trainval2014.zip); the list of "
    "images by the authors of LOST",
    counts={"test": {ALL: 19_817}},
    notes=("The list of images is no part of COCO: the option list=FILE names it.",),
)


@dataclass(frozen=True)
class _Annotations:
    """_Annotations are what the JSON file says: file names and boxes, by id of the image."""

    files: Mapping[int, str]
    boxes: Mapping[int, NDArray[np.float64]]


def load_coco20k(request: Request) -> Collection:
    """Read the images of a list; every image is in the split `test` and has no label.

    request.root: the folder that holds train2014 (or images/train2014) and
        annotations/instances_train2014.json, as the official archives leave them.
    request.options: `list` names the file that lists the images, as an absolute path or below the
        root. A line is an id, or a file name that ends in one, with or without a folder. `crowd`
        (false) is whether boxes around crowds of objects count too, which LOST leaves out.

    COCO's boxes (x, y, width, height) become (x, y, x + width, y + height).

    Raises UsageError for what is missing, a line without an id, an id that COCO's training images
    do not have, and a file that is not COCO's.
    """
    check_options(request, ("list", "crowd"))
    root = benchmark_root(request.name, request.root, FACTS)
    numbers = _read_list(request, root)
    path = _first(request, root, ANNOTATIONS)
    found = _read_annotations(path, set(numbers), bool(request.options.get("crowd", False)))
    unknown = [number for number in numbers if number not in found.files]
    if unknown:
        raise UsageError(
            f"{path} has no image {unknown[0]} ({len(unknown):,} such images), which the list "
            "names: take a list of training images of COCO 2014."
        )
    images = _first(request, root, IMAGES)
    samples = SampleTable(
        name=request.name,
        paths=[join_inside(images, found.files[number]) for number in numbers],
        splits="test",
        boxes=tuple([found.boxes.get(number, NO_BOXES) for number in numbers]),
        image_ids=[str(number) for number in numbers],
    )
    return read_collection(samples, request.memo)


def _first(request: Request, root: Path, names: tuple[str, ...]) -> Path:
    """Return the first of some files or folders that is there."""
    places = [root / name for name in names]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        sought = " or ".join(map(str, places))
        raise not_found(request.name, f"there is no {sought}", FACTS)
    return found


def _read_list(request: Request, root: Path) -> list[int]:
    """Return the ids of the images to load, each once, in the order of the list."""
    given = request.options.get("list")
    if given is None:
        raise not_found(
            request.name, "say which images it has with the option list=FILE of their names", FACTS
        )
    path = root / Path(str(given)).expanduser()
    if not path.is_file():
        raise UsageError(f"There is no file {path}, which the dataset option list names.")
    lines = map(str.strip, path.read_text(encoding="utf-8", errors="replace").split("\n"))
    ids = [_number(line, path, place) for place, line in enumerate(lines, 1) if line]
    if not ids:
        raise UsageError(f"{path} names no image: give a file with the name of one in each line.")
    return list(dict.fromkeys(ids))


def _number(line: str, path: Path, place: int) -> int:
    number = NUMBER.search(line)
    if number is None:
        raise UsageError(
            f"{path}, line {place} is {line[:80]!r}, which ends in no id of an image: give names "
            "such as COCO_train2014_000000000009.jpg, or ids alone."
        )
    return int(number[1])


def _read_annotations(path: Path, wanted: set[int], crowd: bool) -> _Annotations:
    """Return the file names of all images, and the boxes of those that are wanted."""
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file, object_hook=_without_outline)
        files = {int(image["id"]): str(image["file_name"]) for image in content["images"]}
        boxes: dict[int, list[list[float]]] = {}
        for each in content["annotations"]:
            if each["image_id"] in wanted and (crowd or not each.get("iscrowd", 0)):
                boxes.setdefault(each["image_id"], []).append(_corners(each["bbox"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{path} is not COCO's file of instances ({type(error).__name__}: {error}): take the "
            "published one."
        ) from error
    return _Annotations(files, {number: np.array(found) for number, found in boxes.items()})


def _corners(box: list[float]) -> list[float]:
    x, y, width, height = map(float, box)
    if not np.isfinite([x, y, width, height]).all():
        raise ValueError("a box is not of finite numbers")
    return [x, y, x + width, y + height]


def _without_outline(value: dict[str, Any]) -> dict[str, Any]:
    """Drop the outline of an object as soon as it is read."""
    # Outlines are most of the file's 330 MB. On a file made to that measure, reading took 0.8 GB of
    # memory without them and 2.0 GB with them, and 12 seconds either way.
    value.pop("segmentation", None)
    return value
