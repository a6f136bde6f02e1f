"""Pascal VOC 2007 and 2012 in small, as the official archives leave them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a2pipe.datasets.collection import check_classes
from a2pipe.datasets.registry import facts_of, load
from a2pipe.errors import UsageError

Write = Callable[..., Path]

WIDTH, HEIGHT = 10, 8
PART = (
    "<part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax>"
    "</bndbox></part>"
)


def voc_object(
    box: tuple[float, ...], difficult: int = 0, truncated: int = 0, part: str = ""
) -> str:
    """The XML of one object, in the order of the official files."""
    xmin, ymin, xmax, ymax = box
    return (
        f"<object><name>person</name><pose>Left</pose><truncated>{truncated}</truncated>"
        f"<difficult>{difficult}</difficult><bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin>"
        f"<xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>{part}</object>"
    )


OBJECTS = {
    "000005": voc_object((1, 1, WIDTH, HEIGHT), part=PART),
    "000007": voc_object((2, 3, 4, 5), difficult=1) + voc_object((5, 1, 8.5, 6), truncated=1),
    "000012": "",
}


def write_voc(write: Write, root: Path, year: int = 2007) -> Path:
    """The folder VOC2007 or VOC2012, with its lists and without masks."""
    base = f"VOCdevkit/VOC{year}"
    lists = root / base / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("000005\n000007\n000012\n")
    (lists / "val.txt").write_text("000012\n")
    (lists / "cat_trainval.txt").write_text("000005 -1\n000007  1\n")
    (root / base / "Annotations").mkdir()
    for name, objects in OBJECTS.items():
        write(f"{base}/JPEGImages/{name}.jpg", (WIDTH, HEIGHT))
        text = (
            f"<annotation><folder>VOC{year}</folder><filename>{name}.jpg</filename><size><width>"
            f"{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>{objects}</annotation>"
        )
        (root / base / "Annotations" / f"{name}.xml").write_text(text)
    return root / base


@pytest.fixture
def voc07(write: Write, tmp_path: Path) -> Path:
    return write_voc(write, tmp_path)


def write_mask(folder: Path, name: str) -> None:
    """A mask as VOC has it: indices of a palette, 0 background, 255 the seam around objects."""
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    values[2:5, 3:7], values[2, 3:7] = 15, 255
    mask = Image.fromarray(values, "P")
    mask.putpalette([number % 256 for number in range(768)])
    folder.mkdir(exist_ok=True)
    mask.save(folder / f"{name}.png")


def test_boxes_are_half_open_and_begin_at_zero(voc07: Path) -> None:
    found = load("voc07", voc07.parents[1])
    assert found.image_ids == ("000005", "000007", "000012")
    assert found.boxes[0].tolist() == [[0, 0, WIDTH, HEIGHT]]
    assert found.boxes[1].tolist() == [[1, 2, 4, 5], [4, 0, 8.5, 6]]
    assert found.boxes[2].shape == (0, 4)
    assert found.sizes.tolist() == [[WIDTH, HEIGHT]] * 3
    assert found.unreadable == {}
    assert found.remarks == ()
    assert found.masks == ()


def test_images_have_no_label_and_heads_refuse_them(voc07: Path) -> None:
    found = load("voc07", voc07.parents[1])
    assert found.labels.tolist() == [-1] * 3
    assert found.splits.tolist() == ["test"] * 3
    with pytest.raises(UsageError, match="voc07 has no train samples, which a head needs"):
        check_classes(found)


@pytest.mark.parametrize("up", [0, 1, 2])
def test_the_root_may_be_any_folder_above(voc07: Path, up: int) -> None:
    root = [voc07, *voc07.parents][up]
    assert len(load("voc07", root)) == 3


@pytest.mark.parametrize(
    ("objects", "kept"), [("all", 2), ("without-difficult", 1), ("without-hard", 0)]
)
def test_objects_that_are_hard_to_see_may_be_left_out(voc07: Path, objects: str, kept: int) -> None:
    found = load("voc07", voc07, options={"objects": objects})
    assert [len(boxes) for boxes in found.boxes] == [1, kept, 0]


@pytest.mark.parametrize("images", ["Main/val", "Main/val.txt"])
def test_another_list_of_images(voc07: Path, images: str) -> None:
    assert load("voc07", voc07, options={"images": images}).image_ids == ("000012",)


def test_masks_of_2012_belong_to_their_images(write: Write, tmp_path: Path) -> None:
    folder = write_voc(write, tmp_path, 2012)
    write_mask(folder / "SegmentationClass", "000007")
    found = load("voc12", tmp_path)
    assert found.masks == ("", str(folder / "SegmentationClass" / "000007.png"), "")
    assert found.take([1]).masks == found.masks[1:2]


def test_each_year_has_its_folder_and_counts(voc07: Path) -> None:
    with pytest.raises(UsageError, match=r"no ImageSets in any of .*VOC2012.*Pascal VOC 2012"):
        load("voc12", voc07.parents[1])
    assert facts_of("voc07").counts == {"test": {"all": 5011}}
    assert facts_of("voc12").counts == {"test": {"all": 11540}}


def test_a_missing_annotation_is_told_and_a_missing_image_is_bad(voc07: Path) -> None:
    (voc07 / "Annotations" / "000005.xml").unlink()
    (voc07 / "JPEGImages" / "000012.jpg").unlink()
    found = load("voc07", voc07)
    assert found.remarks == (f"{voc07 / 'Annotations'} has no XML file for 1 of 3 images.",)
    assert list(found.unreadable) == [str(voc07 / "JPEGImages" / "000012.jpg")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "Main/cat_trainval"}, r"has the line '000005 -1': give a list"),
        ({"images": "Main/none"}, r"there is no .*Main/none\.txt"),
        ({"images": "../../secret"}, "not a path inside that folder"),
        ({"objects": "easy"}, "no objects 'easy': use all, without-difficult, without-hard"),
        ({"object": "all"}, "did you mean 'objects'"),
    ],
)
def test_wrong_options(voc07: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load("voc07", voc07, options=options)
    assert "\n" not in str(caught.value)


def test_a_name_that_leads_out_of_the_folder_is_refused(voc07: Path) -> None:
    (voc07 / "ImageSets" / "Main" / "trainval.txt").write_text("../../../../etc/passwd\n")
    with pytest.raises(UsageError, match="not a path inside that folder"):
        load("voc07", voc07)
