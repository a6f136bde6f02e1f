"""ImageNet's validation set in small, in every layout it is published in."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from a2pipe.datasets.collection import Collection
from a2pipe.datasets.registry import load
from a2pipe.errors import UsageError

from .voc import annotation

Write = Callable[..., Path]

# number -> synset, boxes; classes by synset: n01440764 tench, n02012849 crane, n03126707 crane
IMAGES = {
    1: ("n02012849", [(1, 2, 8, 7)]),
    2: ("n01440764", [(0, 0, 9, 8), (3, 3, 5, 6)]),
    3: ("n03126707", [(2, 1, 10, 8)]),
}
WORDS = {"n01440764": "tench, Tinca tinca", "n02012849": "crane", "n03126707": "crane"}
DEVKIT = {"n03126707": 1, "n01440764": 2, "n02012849": 3}


def name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}"


def write_boxes(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (synset, boxes) in IMAGES.items():
        (folder / f"{name(number)}.xml").write_text(annotation(synset, boxes))


@pytest.fixture
def flat(write: Write) -> Callable[[str], None]:
    def at(folder: str) -> None:
        for number in IMAGES:
            write(f"{folder}/{name(number)}.JPEG", (10, 8))

    return at


@pytest.fixture
def sorted_by_class(write: Write, tmp_path: Path) -> Path:
    for number, (synset, _) in IMAGES.items():
        write(f"val/{synset}/{name(number)}.JPEG", (10, 8))
    return tmp_path


def write_mapping(root: Path) -> None:
    lines = [f"{synset} {words}" for synset, words in WORDS.items()]
    (root / "LOC_synset_mapping.txt").write_text("\n".join(lines) + "\n")


def write_solution(root: Path) -> None:
    rows = [
        f"{name(number)}," + "".join(f"{synset} {' '.join(map(str, box))} " for box in boxes)
        for number, (synset, boxes) in reversed(IMAGES.items())
    ]
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]))


def write_truth(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [DEVKIT[synset] for synset, _ in IMAGES.values()]
    text = "".join(f"{number}\n" for number in numbers)
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(text)


def write_meta(folder: Path) -> None:
    """The devkit's table of synsets: its classes, and one that only groups others."""
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = [(DEVKIT[synset], synset, words, 0) for synset, words in WORDS.items()]
    rows.append((1001, "n00001740", "entity", 3))
    savemat(folder / "meta.mat", {"synsets": np.array(rows, dtype=fields)[:, None]})


def classes(found: Collection) -> dict[str, str]:
    named = [found.class_names[label] for label in found.labels]
    return dict(zip(found.image_ids, named, strict=True))


def boxes(found: Collection) -> Mapping[str, list[list[float]]]:
    return {i: b.tolist() for i, b in zip(found.image_ids, found.boxes, strict=True)}


EXPECTED = {name(n): [list(map(float, box)) for box in b] for n, (_, b) in IMAGES.items()}


def test_class_folders(sorted_by_class: Path) -> None:
    write_boxes(sorted_by_class / "bbox" / "val")
    found = load("imagenet-val", sorted_by_class)
    assert found.image_ids == (name(2), name(1), name(3))
    assert found.class_names == ("n01440764", "n02012849", "n03126707")
    assert found.labels.tolist() == [0, 1, 2]
    assert found.splits.tolist() == ["test"] * 3
    assert found.groups.tolist() == [-1] * 3
    assert boxes(found) == EXPECTED
    assert {box.dtype for box in found.boxes} == {np.dtype(np.float64)}
    assert found.unreadable == {}
    assert found.remarks == ()


def test_the_folder_itself_as_root(sorted_by_class: Path) -> None:
    write_boxes(sorted_by_class / "bbox" / "val")
    assert boxes(load("imagenet-val", sorted_by_class / "val")) == EXPECTED


def test_words_that_two_synsets_share_are_told_apart(sorted_by_class: Path) -> None:
    write_mapping(sorted_by_class)
    found = load("imagenet-val", sorted_by_class)
    assert found.class_names == ("tench, Tinca tinca", "crane (n02012849)", "crane (n03126707)")


def test_numbers_of_classes_are_those_of_the_whole_set(sorted_by_class: Path) -> None:
    write_mapping(sorted_by_class)
    (sorted_by_class / "val" / "n01440764" / f"{name(2)}.JPEG").unlink()
    assert load("imagenet-val", sorted_by_class).labels.tolist() == [1, 2]


def test_kaggle_layout(tmp_path: Path, flat: Callable[[str], None]) -> None:
    flat("ILSVRC/Data/CLS-LOC/val")
    write_boxes(tmp_path / "ILSVRC" / "Annotations" / "CLS-LOC" / "val")
    write_solution(tmp_path)
    write_mapping(tmp_path)
    found = load("imagenet-val", tmp_path)
    assert found.image_ids == (name(1), name(2), name(3))
    assert classes(found) == {
        name(1): "crane (n02012849)",
        name(2): "tench, Tinca tinca",
        name(3): "crane (n03126707)",
    }
    assert boxes(found) == EXPECTED


@pytest.mark.parametrize("folder", [".", "data", "ILSVRC2012_devkit_t12/data"])
def test_the_devkit_numbers_classes_its_own_way(
    tmp_path: Path, flat: Callable[[str], None], folder: str
) -> None:
    flat("val")
    write_truth(tmp_path / folder)
    write_meta(tmp_path / folder)
    found = load("imagenet-val", tmp_path)
    assert found.labels.tolist() == [1, 0, 2]
    assert classes(found)[name(3)] == "crane (n03126707)"
    assert "entity" not in found.class_names


def test_the_devkit_without_its_synsets(tmp_path: Path, flat: Callable[[str], None]) -> None:
    flat("val")
    write_truth(tmp_path)
    write_mapping(tmp_path)
    found = load("imagenet-val", tmp_path)
    assert found.class_names == ("1", "2", "3")
    assert found.labels.tolist() == [2, 1, 0]
    assert "not in the order of the synsets" in found.remarks[0]


def test_a_subset_takes_its_lines_by_number(tmp_path: Path, flat: Callable[[str], None]) -> None:
    flat("val")
    write_truth(tmp_path)
    write_meta(tmp_path)
    (tmp_path / "val" / f"{name(1)}.JPEG").unlink()
    assert classes(load("imagenet-val", tmp_path))[name(2)] == "tench, Tinca tinca"


def test_images_alone_are_enough(tmp_path: Path, flat: Callable[[str], None]) -> None:
    flat(".")
    found = load("imagenet-val", tmp_path)
    assert found.labels.tolist() == [-1] * 3
    assert found.class_names == ()
    no_classes, no_boxes = found.remarks
    assert "LOC_val_solution.csv" in no_classes
    assert str(tmp_path / "bbox" / "val") in no_boxes
    assert "boxes=DIR" in no_boxes


def test_boxes_elsewhere(sorted_by_class: Path) -> None:
    write_boxes(sorted_by_class / "mine")
    write_boxes(sorted_by_class / "bbox" / "val")
    (sorted_by_class / "mine" / f"{name(1)}.xml").write_text(annotation("n0", [(0, 0, 1, 1)]))
    for option in ("mine", str(sorted_by_class / "mine")):
        found = load("imagenet-val", sorted_by_class, options={"boxes": option})
        assert boxes(found)[name(1)] == [[0, 0, 1, 1]]
    with pytest.raises(UsageError, match="There is no folder"):
        load("imagenet-val", sorted_by_class, options={"boxes": "nowhere"})


def test_what_is_wanting_of_boxes_is_counted(sorted_by_class: Path) -> None:
    folder = sorted_by_class / "bbox" / "val"
    write_boxes(folder)
    (folder / f"{name(1)}.xml").unlink()
    (folder / f"{name(3)}.xml").write_text(annotation("n03126707", [(2, 1, 10, 8)], (500, 400)))
    found = load("imagenet-val", sorted_by_class)
    assert boxes(found) == EXPECTED | {name(1): []}
    missing, other = found.remarks
    assert missing == f"{folder} has no box for 1 of 3 images."
    assert other.startswith("1 XML files give another width or height")
    sizes = dict(zip(found.image_ids, found.annotated.tolist(), strict=True))
    assert sizes == {name(1): [0, 0], name(2): [10, 8], name(3): [500, 400]}


def test_nothing_there_is_told_with_the_source(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there are no images in any of .*1409\.0575"):
        load("imagenet-val", tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("LOC_val_solution.csv", "ImageId,PredictionString\na,b c\n", "is not a table of ImageId"),
        ("LOC_val_solution.csv", "", "is not a table of ImageId"),
        ("ILSVRC2012_validation_ground_truth.txt", "1\n2\n", "has no class for .*00000003"),
        ("ILSVRC2012_validation_ground_truth.txt", "1\n2\nx\n", "has no class for .*00000003"),
        ("LOC_synset_mapping.txt", "tench n01440764\n", "other than a synset and its words"),
        ("meta.mat", "text", "is not the devkit's meta.mat"),
    ],
)
def test_wrong_tables(
    tmp_path: Path, flat: Callable[[str], None], file: str, text: str, message: str
) -> None:
    flat("val")
    (tmp_path / file).write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        load("imagenet-val", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_class_that_the_devkit_does_not_know(tmp_path: Path, flat: Callable[[str], None]) -> None:
    flat("val")
    write_meta(tmp_path)
    (tmp_path / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n2\n1001\n")
    with pytest.raises(UsageError, match=r"meta\.mat has no class 1001"):
        load("imagenet-val", tmp_path)


# --- training images ----------------------------------------------------------------------------


def test_training_images_stand_before_the_validation_images(write, sorted_by_class) -> None:
    write_boxes(sorted_by_class / "bbox" / "val")
    for synset in ("n03126707", "n02012849"):
        write(f"train/{synset}/{synset}_7.JPEG", (12, 9))
    found = load("imagenet-val", sorted_by_class, options={"train": True})
    assert found.splits.tolist() == ["train"] * 2 + ["test"] * 3
    assert found.image_ids[:2] == ("n02012849_7", "n03126707_7")
    assert found.labels.tolist() == [1, 2, 0, 1, 2]
    assert [len(each) for each in found.boxes[:2]] == [0, 0]
    assert found.sizes[:2].tolist() == [[12, 9]] * 2
    assert {i: b for i, b in boxes(found).items() if "val" in i} == EXPECTED
    assert found.remarks == ()


def test_training_images_that_are_not_there_are_told(sorted_by_class) -> None:
    with pytest.raises(UsageError, match="no training images in class folders"):
        load("imagenet-val", sorted_by_class, options={"train": True})


def test_training_folders_need_the_synsets_of_the_devkit(write, flat, tmp_path) -> None:
    flat("val")
    write_truth(tmp_path)
    write("train/n01440764/n01440764_7.JPEG", (12, 9))
    with pytest.raises(UsageError, match=r"no meta\.mat"):
        load("imagenet-val", tmp_path, options={"train": True})
    write_meta(tmp_path)
    found = load("imagenet-val", tmp_path, options={"train": True})
    assert found.class_names[found.labels[0]] == "tench, Tinca tinca"
