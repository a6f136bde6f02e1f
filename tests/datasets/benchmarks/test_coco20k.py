"""COCO-20k in small: the official folders and JSON file, and a list of images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from a2pipe.datasets.registry import facts_of, load
from a2pipe.errors import UsageError

Write = Callable[..., Path]


def name(number: int) -> str:
    return f"COCO_train2014_{number:012d}.jpg"


def annotation(image: int, box: list[float], crowd: int = 0) -> dict[str, Any]:
    """An object as COCO has it; the outline of a crowd is run lengths, not polygons."""
    outline = {"counts": [1, 2], "size": [6, 8]} if crowd else [[1.0, 1.0, 2.0, 1.0, 2.0, 2.0]]
    return {
        "segmentation": outline,
        "area": 1.5,
        "iscrowd": crowd,
        "image_id": image,
        "bbox": box,
        "category_id": 18,
        "id": 100 * image + len(box),
    }


ANNOTATIONS = [
    annotation(30, [1.5, 2.25, 3.0, 1.75]),
    annotation(9, [0.0, 0.0, 8.0, 6.0]),
    annotation(9, [2, 1, 2, 3]),
    annotation(9, [1.0, 1.0, 5.0, 5.0], crowd=1),
]


@pytest.fixture
def coco(write: Write, tmp_path: Path) -> Path:
    for number in (9, 30, 42):
        write(f"train2014/{name(number)}", (8, 6))
    images = [
        {"id": number, "file_name": name(number), "width": 8, "height": 6, "license": 1}
        for number in (9, 30, 42)
    ]
    content = {"info": {}, "images": images, "licenses": [], "annotations": ANNOTATIONS}
    content["categories"] = [{"supercategory": "animal", "id": 18, "name": "dog"}]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train2014.json").write_text(json.dumps(content))
    (tmp_path / "list.txt").write_text(f"{name(30)}\n{name(9)}\n")
    return tmp_path


def test_the_images_of_the_list_with_their_boxes(coco: Path) -> None:
    found = load("coco20k", coco, options={"list": "list.txt"})
    assert found.image_ids == ("30", "9")
    assert [Path(path).name for path in found.paths] == [name(30), name(9)]
    assert found.boxes[0].tolist() == [[1.5, 2.25, 4.5, 4.0]]
    assert found.boxes[1].tolist() == [[0, 0, 8, 6], [2, 1, 4, 4]]
    assert found.labels.tolist() == [-1, -1]
    assert found.splits.tolist() == ["test", "test"]
    assert found.unreadable == {}


def test_boxes_around_crowds_count_if_asked_for(coco: Path) -> None:
    found = load("coco20k", coco, options={"list": "list.txt", "crowd": True})
    assert found.boxes[1].tolist()[2] == [1, 1, 6, 6]


def test_an_image_without_objects_has_no_boxes(coco: Path) -> None:
    (coco / "list.txt").write_text("42\n")
    assert load("coco20k", coco, options={"list": "list.txt"}).boxes[0].shape == (0, 4)


@pytest.mark.parametrize("line", ["{}", "train2014/{}", "/data/coco/train2014/{}", "9"])
def test_ways_to_write_a_line(coco: Path, line: str) -> None:
    (coco / "list.txt").write_text(f"\n{line.format(name(9))}\n\n")
    found = load("coco20k", coco, options={"list": str(coco / "list.txt")})
    assert found.image_ids == ("9",)


def test_an_image_counts_once(coco: Path) -> None:
    (coco / "list.txt").write_text(f"9\n{name(9)}\n30\n")
    assert load("coco20k", coco, options={"list": "list.txt"}).image_ids == ("9", "30")


def test_the_other_usual_places(coco: Path) -> None:
    (coco / "images").mkdir()
    (coco / "train2014").rename(coco / "images" / "train2014")
    (coco / "annotations" / "instances_train2014.json").rename(coco / "instances_train2014.json")
    assert load("coco20k", coco, options={"list": "list.txt"}).unreadable == {}


def test_the_count_is_that_of_the_published_list() -> None:
    assert facts_of("coco20k").counts == {"test": {"all": 19817}}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("7\n", "has no image 7 .1 such images., which the list names"),
        ("9\ndog\n", "line 2 is 'dog', which ends in no id"),
        ("\n", "names no image"),
    ],
)
def test_wrong_lists(coco: Path, lines: str, message: str) -> None:
    (coco / "list.txt").write_text(lines)
    with pytest.raises(UsageError, match=message):
        load("coco20k", coco, options={"list": "list.txt"})


def test_what_is_missing_is_named(coco: Path) -> None:
    with pytest.raises(UsageError, match="with the option list=FILE"):
        load("coco20k", coco)
    with pytest.raises(UsageError, match=r"There is no file .*none\.txt"):
        load("coco20k", coco, options={"list": "none.txt"})
    (coco / "train2014").rename(coco / "val2014")
    with pytest.raises(
        UsageError, match=r"there is no .*train2014 or .*images/train2014; COCO-20k"
    ):
        load("coco20k", coco, options={"list": "list.txt"})


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"images": []}',
        '{"images": [{"id": 9}], "annotations": []}',
        '{"images": [], "annotations": [{"image_id": 9, "bbox": [1, 2]}]}',
        '{"images": [], "annotations": [{"image_id": 9, "bbox": [1, 2, NaN, 1]}]}',
    ],
)
def test_another_file_than_coco_s(coco: Path, content: str) -> None:
    (coco / "annotations" / "instances_train2014.json").write_text(content)
    with pytest.raises(UsageError, match="is not COCO's file of instances") as caught:
        load("coco20k", coco, options={"list": "list.txt"})
    assert "\n" not in str(caught.value)
