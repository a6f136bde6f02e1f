"""Read ImageNet's 50,000 validation images (ILSVRC 2012) with their localisation boxes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import UsageError
from ..benchmark_facts import ALL, BenchmarkFacts, benchmark_root, not_found
from ..collection import NO_BOXES, Collection
from ..formats.folder import images_and_subfolders, images_in
from ..numbering import name_indices, sorted_names
from ..request import Request, check_options
from ..sample_table import SampleTable, read_collection
from .imagenet_labels import SYNSET, GroundTruth, class_words, find_truth
from .voc_xml import Annotation, read_annotations

# Places as the official archives, the Kaggle download and common scripts leave them, in order.
IMAGES = ("val", "Data/CLS-LOC/val", "ILSVRC/Data/CLS-LOC/val", "ILSVRC2012_img_val", ".")
TRAINING = ("train", "Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/train", "../train")
BOXES = (
    "Annotations/CLS-LOC/val",
    "ILSVRC/Annotations/CLS-LOC/val",
    "bbox/val",
    "ILSVRC2012_bbox_val_v3/bbox/val",
    "val",
    ".",
    "../bbox/val",
)

FACTS = BenchmarkFacts(
    title="ImageNet validation set (ILSVRC 2012)",
    paper="Russakovsky and others, ImageNet Large Scale Visual Recognition Challenge, IJCV 2015, "
    "arXiv 1409.0575",
    homepage_name="the ImageNet project (and its Kaggle competition on object localisation)",
    counts={"test": {ALL: 50_000}},
    notes=("50 images of each of 1,000 classes; boxes mark the objects of the image's class.",),
)


@dataclass(frozen=True)
class _Found:
    """A _Found is an image file, its name without ending, and its class folder ("" if in none)."""

    path: str
    name: str
    synset: str


def load_imagenet(request: Request) -> Collection:
    """Read the validation images, which are the split `test`, and on request the training images.

    request.root: the folder that holds the images, in class folders (`val/n01440764/*.JPEG`) or all
        in one; their classes then come from LOC_val_solution.csv or the devkit.
    request.options: `boxes` names the folder of XML files, if it is none of the usual ones. `train`
        = true adds the training images (`train/n01440764/*.JPEG`) before them, as the split `train`
        and without boxes.

    Classes are numbered in the order of their synsets, and called as LOC_synset_mapping.txt or the
    devkit's meta.mat says, else by the synset. Boxes are those of all objects in `NAME.xml`. Their
    corners are the integers that stand there: x0 = xmin, y0 = ymin, x1 = xmax, y1 = ymax,
    half-open, so that the pixel column xmax is not inside. If the XML gives another width or height
    than the image has, the box stays, and a remark counts such files.

    Raises UsageError for a folder without images, and for tables or XML that are not what they
    should be.
    """
    check_options(request, ("boxes", "train"))
    root = benchmark_root(request.name, request.root, FACTS)
    images = _find_images(request.name, root)
    training = _find_training(request.name, root) if request.options.get("train") else []
    boxes = _find_boxes(root, request.options.get("boxes"))
    annotations = _annotations(boxes, images)
    samples = _samples(request.name, root, training, images, annotations)
    loaded = read_collection(samples, request.memo)
    measured = loaded.take(loaded.splits == "test")
    remarks = [*loaded.remarks, *_box_remarks(root, boxes, annotations, measured)]
    return replace(loaded, remarks=tuple(remarks))


def _samples(
    name: str,
    root: Path,
    training: list[_Found],
    images: list[_Found],
    annotations: Sequence[Annotation | None],
) -> SampleTable:
    ids = [image.name for image in images]
    truth = GroundTruth({image.name: image.synset for image in images if image.synset})
    truth = truth if truth.classes else find_truth(root, ids)
    tested = [truth.classes.get(each, "") for each in ids]
    if training:
        _require_synsets(name, root, tested)
    labels = [*(image.synset for image in training), *tested]
    found = [*[None] * len(training), *annotations]
    words = class_words(root)
    known = {*labels} - {""}
    # All 1,000 classes if their names are known, so that a few images are numbered as all are.
    synsets = sorted(words) if known and known <= words.keys() else sorted_names(known)
    return SampleTable(
        name=name,
        paths=[image.path for image in (*training, *images)],
        labels=name_indices(labels, synsets),
        class_names=tuple(words.get(synset, synset) for synset in synsets),
        splits=["train"] * len(training) + ["test"] * len(images),
        boxes=tuple([NO_BOXES if each is None else each.boxes for each in found]),
        annotated=np.array([(each and each.size) or (0, 0) for each in found], np.int64),
        image_ids=[*(image.name for image in training), *ids],
        remarks=truth.remarks,
    )


# --- images -------------------------------------------------------------------------------------


def _find_images(name: str, root: Path) -> list[_Found]:
    """Return the images of the first usual folder that has some, class by class, by name."""
    for place in IMAGES:
        found = _images_of(root / place)
        if found:
            return found
    sought = ", ".join(str(root / place) for place in IMAGES)
    raise not_found(name, f"there are no images in any of {sought}", FACTS)


def _find_training(name: str, root: Path) -> list[_Found]:
    """Return the training images in class folders of the first usual folder that has some."""
    for place in TRAINING:
        found = [image for image in _images_of(root / place) if image.synset]
        if found:
            return found
    sought = ", ".join(str(root / place) for place in TRAINING)
    raise not_found(
        name, f"there are no training images in class folders in any of {sought}", FACTS
    )


def _require_synsets(name: str, root: Path, classes: Sequence[str]) -> None:
    """Raise UsageError if classes are numbers of the devkit, which training folders do not have."""
    other = next((each for each in classes if each and not SYNSET.fullmatch(each)), None)
    if other is not None:
        raise UsageError(
            f"Dataset {name}: no meta.mat in {root} says which synset class {other} of the "
            "validation images is, as the training folders are called: put the devkit's there."
        )


def _images_of(folder: Path) -> list[_Found]:
    if not folder.is_dir():
        return []
    images, subfolders = images_and_subfolders(folder)
    classes = [each for each in subfolders if SYNSET.fullmatch(each.name)]
    if not classes:
        return _found(images, "")
    return [image for each in classes for image in _found(images_in(each), each.name)]


def _found(paths: list[str], synset: str) -> list[_Found]:
    return [_Found(path, path.rpartition("/")[2].rpartition(".")[0], synset) for path in paths]


# --- boxes --------------------------------------------------------------------------------------


def _find_boxes(root: Path, given: str | None) -> Path | None:
    """Return the folder of XML files: the one that is given, else the first usual one with some."""
    if given is not None:
        folder = root / Path(str(given)).expanduser()
        if not folder.is_dir():
            raise UsageError(f"There is no folder {folder}, which the dataset option boxes names.")
        return folder
    places = [root / place for place in BOXES]
    return next((place for place in places if next(place.glob("*.xml"), None)), None)


def _annotations(folder: Path | None, images: list[_Found]) -> list[Annotation | None]:
    if folder is None:
        return [None] * len(images)
    return read_annotations([f"{folder}/{image.name}.xml" for image in images])


def _box_remarks(
    root: Path, folder: Path | None, found: Sequence[Annotation | None], loaded: Collection
) -> list[str]:
    """Return sentences on boxes that were not found, or belong to images of other sizes."""
    if folder is None:
        sought = ", ".join(str(root / place) for place in BOXES)
        return [f"No boxes: no XML files in {sought}; the option boxes=DIR says where else."]
    remarks = []
    without = sum(annotation is None or len(annotation.boxes) == 0 for annotation in found)
    if without:
        remarks.append(f"{folder} has no box for {without:,} of {len(found):,} images.")
    sizes = zip(found, map(tuple, loaded.sizes.tolist()), strict=True)
    others = sum(a is not None and a.size not in (None, size) for a, size in sizes if any(size))
    if others:
        remarks.append(
            f"{others:,} XML files give another width or height than the image has; their boxes "
            "are taken as they stand."
        )
    return remarks
