"""Read the images of Pascal VOC 2007 and 2012 with the boxes and masks of their objects."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ..benchmark_facts import ALL, BenchmarkFacts, benchmark_root, not_found
from ..collection import NO_BOXES, Collection
from ..request import Request, check_options
from ..safe_paths import join_inside
from ..sample_table import SampleTable, read_collection
from .voc_xml import Annotation, read_annotations

PLACES = ("VOCdevkit/{}", "{}", ".")
OBJECTS = ("all", "without-difficult", "without-hard")
TRAINVAL = "Main/trainval"

FACTS_07 = BenchmarkFacts(
    title="Pascal VOC 2007",
    paper="Everingham and others, The Pascal Visual Object Classes (VOC) Challenge, IJCV 2010",
    homepage_name="the Pascal VOC project (VOCtrainval_06-Nov-2007.tar)",
    counts={"test": {ALL: 5_011}},
    notes=("The images are those of trainval, and boxes mark the objects of twenty classes.",),
)
FACTS_12 = BenchmarkFacts(
    title="Pascal VOC 2012",
    paper="Everingham and others, The Pascal Visual Object Classes Challenge: A Retrospective, "
    "IJCV 2015",
    homepage_name="the Pascal VOC project (VOCtrainval_11-May-2012.tar)",
    counts={"test": {ALL: 11_540}},
    notes=(
        "The images are those of trainval, and boxes mark the objects of twenty classes.",
        "The 1,449 images of Segmentation/val have masks.",
    ),
)


def load_pascal_voc(request: Request) -> Collection:
    """Read Pascal VOC; every image is in the split `test` and has no label.

    request.name: "voc07" or "voc12", which decides whether VOC2007 or VOC2012 is read.
    request.root: the folder VOC2007 or VOC2012 itself, the VOCdevkit around it, or the folder that
        the official archive was unpacked in.
    request.options: `images` names a list below ImageSets without ".txt", by default
        "Main/trainval", such as "Segmentation/val". `objects` says which objects have boxes: "all"
        as in LOST's evaluation (the default), "without-difficult", or "without-hard", which leaves
        out those marked difficult or truncated.

    VOC counts pixels from 1 and includes both ends, so that its (xmin, ymin, xmax, ymax) are the
    half-open box (xmin - 1, ymin - 1, xmax, ymax). A mask is the image's file in SegmentationClass.

    Raises UsageError for a folder, a list or annotations that are not there or not what they should
    be.
    """
    check_options(request, ("images", "objects"))
    objects = _objects(request)
    facts = FACTS_12 if request.name == "voc12" else FACTS_07
    root = _folder(request, facts)
    ids = _read_list(request, root, facts)
    annotations = read_annotations([join_inside(root, f"Annotations/{i}.xml") for i in ids])
    samples = SampleTable(
        name=request.name,
        paths=[join_inside(root, f"JPEGImages/{i}.jpg") for i in ids],
        splits="test",
        boxes=tuple([_boxes(each, objects) for each in annotations]),
        image_ids=ids,
        remarks=_remarks(root, annotations),
        masks=_masks(root, ids),
    )
    return read_collection(samples, request.memo)


def _objects(request: Request) -> str:
    chosen = str(request.options.get("objects", OBJECTS[0]))
    if chosen not in OBJECTS:
        raise UsageError(
            f"Dataset {request.name} has no objects {chosen!r}: use {', '.join(OBJECTS)}."
        )
    return chosen


def _folder(request: Request, facts: BenchmarkFacts) -> Path:
    """Return the folder that holds ImageSets, JPEGImages and Annotations of the year."""
    root, year = benchmark_root(request.name, request.root, facts), facts.title[-4:]
    places = [root / place.format(f"VOC{year}") for place in PLACES]
    found = next((place for place in places if (place / "ImageSets").is_dir()), None)
    if found is None:
        sought = ", ".join(map(str, places))
        raise not_found(request.name, f"there is no ImageSets in any of {sought}", facts)
    return found


def _read_list(request: Request, root: Path, facts: BenchmarkFacts) -> list[str]:
    """Return the ids of the images in a list of ImageSets, in its order."""
    name = str(request.options.get("images", TRAINVAL)).removesuffix(".txt")
    path = Path(join_inside(root, f"ImageSets/{name}.txt"))
    if not path.is_file():
        raise not_found(request.name, f"there is no {path}", facts)
    ids = path.read_text(encoding="utf-8", errors="replace").split("\n")
    ids = [each.strip() for each in ids if each.strip()]
    # Lists of one class have a second column, which says whether the class is in the image.
    wrong = next((each for each in ids if len(each.split()) > 1), None)
    if wrong is not None or not ids:
        what = "is empty" if wrong is None else f"has the line {wrong!r}"
        raise UsageError(f"{path} {what}: give a list with the id of an image in each line.")
    return ids


def _boxes(annotation: Annotation | None, objects: str) -> NDArray[np.float64]:
    """Return the boxes of the objects that count, half-open."""
    if annotation is None:
        return NO_BOXES
    left_out = np.zeros(len(annotation.boxes), np.bool_)
    if objects != "all":
        left_out = left_out | annotation.difficult
    if objects == "without-hard":
        left_out = left_out | annotation.truncated
    return annotation.boxes[~left_out] - (1.0, 1.0, 0.0, 0.0)


def _masks(root: Path, ids: Sequence[str]) -> tuple[str, ...]:
    folder = root / "SegmentationClass"
    # One listing of the folder is quicker than asking for each of 11,540 files.
    there = {path.stem for path in folder.glob("*.png")} if folder.is_dir() else set()
    masks = tuple([f"{folder / each}.png" if each in there else "" for each in ids])
    return masks if any(masks) else ()


def _remarks(root: Path, annotations: Sequence[Annotation | None]) -> tuple[str, ...]:
    missing = sum(each is None for each in annotations)
    if not missing:
        return ()
    folder, count = root / "Annotations", len(annotations)
    return (f"{folder} has no XML file for {missing:,} of {count:,} images.",)
