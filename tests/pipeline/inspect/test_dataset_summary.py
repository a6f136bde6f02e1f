"""A collection in numbers."""

import json
from pathlib import Path

import pytest
from PIL import Image

from a2pipe.datasets.collection import Collection
from a2pipe.datasets.formats.manifest import load_manifest
from a2pipe.pipeline.inspect.dataset_summary import summarize


@pytest.fixture
def birds(tmp_path: Path) -> Collection:
    """Three images; a.png is in train twice and in test once, under two classes; e.png is lost."""
    for name, size in {"a": (40, 20), "b": (40, 20), "c": (30, 30)}.items():
        Image.new("RGB", size, (ord(name), 0, 0)).save(tmp_path / f"{name}.png")
    rows = [
        "a.png,land,u,train,0,0,20,20",
        "a.png,water,v,train,0,0,40,20",
        "b.png,land,u,train,,,,",
        "a.png,land,u,test,0,0,10,10",
        "c.png,land,,test,0,0,30,15",
        "c.png,land,,test,0,15,30,30",
        "e.png,water,v,test,,,,",
    ]
    table = tmp_path / "birds.csv"
    table.write_text("\n".join(["path,label,group,split,x0,y0,x1,y1", *rows]))
    return load_manifest(table)


def test_counts(birds: Collection) -> None:
    found = summarize(birds)
    assert (found.samples, found.images) == (6, 3)
    assert found.classes == {"train": {"land": 2, "water": 1}, "test": {"land": 2, "water": 1}}
    assert found.sizes == {"40x20": 2, "30x30": 1}
    assert found.dimensions == {
        "width": [30, 40, 40],
        "height": [20, 20, 30],
        "square": pytest.approx(1 / 3),
        "aspect": 2,
    }
    keys = ("split", "group", "samples", "images", "unreadable", "with_boxes")
    assert [tuple(line[key] for key in keys) for line in found.groups] == [
        ("train", "u", 2, 2, 0, 1),
        ("train", "v", 1, 1, 0, 1),
        ("test", "u", 1, 1, 0, 1),
        ("test", "v", 1, 0, 1, 0),
        ("test", "(none)", 1, 1, 0, 1),
    ]


def test_boxes_and_duplicates(birds: Collection) -> None:
    """Shares of the image: 400/800, 800/800, 100/800 and 2 x 450/900."""
    found = summarize(birds)
    assert found.boxes == {"samples": 4, "several": 1, "most": 2, "median_share": 0.75}
    assert found.duplicates == {
        "samples": 2,
        "across_splits": 1,
        "train_and_test": 1,
        "across_classes": 1,
    }


def test_in_words(birds: Collection) -> None:
    assert summarize(birds).lines() == [
        "classes of train: land 2 (66.7%), water 1 (33.3%)",
        "classes of test: land 2 (66.7%), water 1 (33.3%)",
        "sizes: 2 different; the commonest is 40 x 20 (2 images); 33.3% are square; aspect ratio "
        "2.00 (median)",
        "least, median and most: 30, 40, 40 px wide, 20, 20, 30 px high",
        "boxes: 4 of 6 samples, 1 with several (at most 2); they cover 75.0% of the image (median)",
        "duplicates: 2 samples show an image that another one shows; images in several splits: 1 "
        "(in train and test: 1), under several classes: 1",
    ]


def test_many_classes_are_not_listed_one_by_one(tmp_path: Path) -> None:
    rows = [f"{index}.png,{index % 9}" for index in range(20)]
    for index in range(20):
        Image.new("RGB", (4, 4), (index, 0, 0)).save(tmp_path / f"{index}.png")
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows]))
    found = summarize(load_manifest(tmp_path / "t.csv"))
    classes, sizes, boxes, duplicates = found.lines()
    assert classes == "classes: 9, of 2 to 3 samples each"
    assert sizes == "sizes: 4 x 4 px, all images; 100.0% are square; aspect ratio 1.00 (median)"
    assert (boxes, duplicates) == ("boxes: none", "duplicates: none")


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\na.png,\n")
    found = summarize(load_manifest(tmp_path / "t.csv"))
    assert found.lines() == ["sizes: no image can be read", "boxes: none", "duplicates: none"]
    assert found.boxes["median_share"] is None
    json.dumps(found.to_json())


def test_images_in_train_and_val_are_not_in_train_and_test(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    Image.new("RGB", (4, 6)).save(tmp_path / "b.png")
    rows = ["a.png,x,train", "a.png,x,val", "b.png,x,val", "b.png,x,test"]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,split", *rows]))
    found = summarize(load_manifest(tmp_path / "t.csv")).duplicates
    assert (found["across_splits"], found["train_and_test"]) == (2, 0)


def test_files_that_are_no_images_have_no_part_in_the_sizes(tmp_path: Path) -> None:
    Image.new("RGB", (4, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("text")
    (tmp_path / "t.csv").write_text("path,label\na.png,x\nb.png,x\n")
    found = summarize(load_manifest(tmp_path / "t.csv"))
    assert found.dimensions == {"width": [4, 4, 4], "height": [8, 8, 8], "square": 0, "aspect": 2}
    assert found.sizes == {"4x8": 1}
