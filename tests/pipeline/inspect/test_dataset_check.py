"""Checking a dataset on disk: counts, images, boxes, and the verdict."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from a2pipe.datasets.benchmark_facts import ALL, BenchmarkFacts
from a2pipe.datasets.collection import Collection
from a2pipe.datasets.formats.manifest import load_manifest
from a2pipe.pipeline.inspect.dataset_check import DatasetCheck, check_collection
from a2pipe.pipeline.shards.progress import PlainProgress, SilentProgress
from a2pipe.stages.geometry import Canvas


def facts(**train: int) -> BenchmarkFacts:
    return BenchmarkFacts(
        "Birds", "A. Author, Birds", "the authors", {"train": train}, ("A note.",)
    )


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """a.png to d.png of 40 x 20 px, each its own."""
    for number, name in enumerate("abcd"):
        Image.new("RGB", (40, 20), (number, 0, 0)).save(tmp_path / f"{name}.png")
    return tmp_path


def collection(folder: Path, *rows: str) -> Collection:
    """Rows "path,label,group,x0,y0,x1,y1" of the training split."""
    table = folder / "birds.csv"
    lines = [f"{row},train" for row in rows]
    table.write_text("\n".join(["path,label,group,x0,y0,x1,y1,split", *lines]) + "\n")
    return load_manifest(table)


def check(found: Collection, published: BenchmarkFacts | None = None) -> DatasetCheck:
    return check_collection(found, published, SilentProgress(), workers=2)


def test_as_published(images: Path) -> None:
    found = collection(images, "a.png,0,u,1,2,30,20", "b.png,1,v,0,0,40,20")
    checked = check(found, facts(u=1, v=1))
    assert checked.exit_code == 0
    assert checked.verdict == "birds is as Birds was published, and every image decodes."
    assert (checked.samples, checked.images, checked.boxes) == (2, 2, 2)
    assert checked.findings == ()
    assert checked.remarks == ("A note.",)


def test_counts_of_groups_classes_and_all(images: Path) -> None:
    found = collection(images, "a.png,cat,u,,,,", "b.png,cat,v,,,,", "c.png,dog,v,,,,")
    published = BenchmarkFacts(
        "Birds", "p", "h", {"train": {"v": 3, "cat": 2, ALL: 3}, "test": {"u": 5}}
    )
    checked = check(found, published)
    assert [(c.split, c.name, c.published, c.here) for c in checked.counts] == [
        ("train", "v", 3, 2),
        ("train", "cat", 2, 2),
        ("train", "all", 3, 3),
        ("test", "u", 5, 0),
    ]
    assert checked.exit_code == 1
    assert checked.verdict == "birds is not sound: 2 counts that differ."
    marks = [line["differs"] for line in checked.count_table()]
    assert marks == ["differs", "", "", "differs"]


def test_a_split_that_was_not_published(images: Path) -> None:
    published = BenchmarkFacts("Birds", "p", "h", {"test": {"u": 0}})
    checked = check(collection(images, "a.png,0,u,,,,"), published)
    assert [(c.split, c.name, c.published, c.here) for c in checked.differing] == [
        ("train", "all", 0, 1)
    ]


def test_bad_images_are_listed_and_weigh_most(images: Path) -> None:
    content = (images / "a.png").read_bytes()
    (images / "a.png").write_bytes(content[:-30])
    (images / "b.png").write_text("text")
    found = collection(images, *(f"{name}.png,0,u,,,," for name in "abce"))
    checked = check(found, facts(u=9))
    assert [Path(image.path).name for image in checked.bad] == ["a.png", "b.png", "e.png"]
    assert [image.digest != "" for image in checked.bad] == [True, True, False]
    assert checked.bad[2].reason == "file is missing"
    assert checked.exit_code == 3
    expected = "birds is not sound: 3 images that cannot be used, 1 count that differs."
    assert checked.verdict == expected
    assert sum(line.startswith("bad image: ") for line in checked.lines()) == 3


def test_samples_that_share_an_image_are_decoded_once(images: Path) -> None:
    found = collection(images, "a.png,0,u,,,,", "a.png,1,v,,,,")
    assert check(found).images == 1


@pytest.mark.parametrize(
    ("box", "trait", "code"),
    [
        ("1,1,40,20", None, 0),
        ("40,0,50,10", "outside the image", 1),
        ("0,0,41,20", "that reach beyond the edge", 0),
    ],
)
def test_only_boxes_that_no_image_can_have_are_wrong(
    images: Path, box: str, trait: str | None, code: int
) -> None:
    found = collection(images, f"a.png,0,u,{box}", "b.png,0,u,0,0,9,9")
    checked = check(found, facts(u=2))
    assert [(f.trait, f.boxes, f.examples) for f in checked.findings] == (
        [(trait, 1, ("a.png",))] if trait else []
    )
    assert checked.exit_code == code
    if code:
        assert checked.verdict == "birds is not sound: 1 box that lies wrong."


def test_boxes_are_mapped_to_the_canvas_that_is_given(images: Path) -> None:
    found = collection(images, "a.png,0,u,0,5,9,15")
    checked = check_collection(found, None, SilentProgress(), 2, Canvas(50, "center-crop"))
    assert [each.trait for each in checked.findings] == ["cut away by image.geometry center-crop"]
    assert checked.exit_code == 0


def test_without_published_counts(images: Path) -> None:
    checked = check(collection(images, "a.png,0,u,,,,"))
    assert checked.exit_code == 0
    assert "no published counts" in checked.verdict
    assert checked.count_table() == []


def test_remarks_of_the_loader_are_passed_on(images: Path) -> None:
    found = collection(images, "a.png,0,u,,,,")
    told = Collection(**{**vars(found), "remarks": ("No boxes: nowhere.",)})
    assert "note: No boxes: nowhere." in check(told).lines()


def test_json_holds_the_verdict(images: Path) -> None:
    checked = check(collection(images, "a.png,0,u,40,0,50,10"), facts(u=1))
    content = json.loads(json.dumps(checked.to_json()))
    assert content["exit_code"] == 1
    assert content["verdict"] == checked.verdict
    assert content["findings"][0]["examples"] == ["a.png"]


def test_progress_counts_every_image(images: Path) -> None:
    written = io.StringIO()
    rows = [f"{name}.png,0,u,,,," for name in "abc"]
    check_collection(collection(images, *rows), None, PlainProgress(written), workers=2)
    assert written.getvalue().startswith("images: 3 of 3, ")
