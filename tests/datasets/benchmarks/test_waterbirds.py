"""Waterbirds as released, in small: eight birds in CUB's class folders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from a2pipe.datasets.benchmarks.waterbirds import FACTS, build_boxes
from a2pipe.datasets.collection import Collection
from a2pipe.datasets.registry import load
from a2pipe.errors import UsageError

Write = Callable[..., Path]

ALBATROSS = "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg"
BUNTING = "014.Indigo_Bunting/Indigo_Bunting_0001_12469.jpg"
GULL = "059.California_Gull/California_Gull_0032_41302.jpg"
WREN = "200.Common_Yellowthroat/Common_Yellowthroat_0055_190967.jpg"
# img_id, img_filename, y, split, place, place_filename; ids are CUB's, from 1, and not in order.
ROWS = [
    (1, ALBATROSS, 1, 0, 1, "/o/ocean/00002698.jpg"),
    (708, BUNTING, 0, 1, 0, "/b/bamboo_forest/00000081.jpg"),
    (3312, GULL, 1, 2, 0, "/f/forest/broadleaf/00003410.jpg"),
    (11788, WREN, 0, 2, 1, "/l/lake/natural/00004512.jpg"),
]
HEADER = "img_id,img_filename,y,split,place,place_filename"
CUB = {
    1: "2.0 1.0 5.0 6.5",
    708: "0.0 0.0 9.0 7.0",
    3312: "1.0 2.0 3.0 4.0",
    11788: "4.0 3.0 1.0 1.0",
}


@pytest.fixture
def root(write: Write, tmp_path: Path) -> Path:
    for _, name, *_ in ROWS:
        write(f"data/waterbirds/{name}", (10, 8))
    root = tmp_path / "data" / "waterbirds"
    lines = [HEADER, *(",".join(map(str, row)) for row in ROWS)]
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


def write_cub(folder: Path, boxes: dict[int, str] = CUB, names: bool = True, **others: str) -> Path:
    """CUB's two tables; `others` gives an image id (as i708) another file name."""
    folder.mkdir(parents=True, exist_ok=True)
    table = "".join(f"{number} {box}\n" for number, box in boxes.items())
    (folder / "bounding_boxes.txt").write_text(table)
    if names:
        files = {number: name for number, name, *_ in ROWS}
        files |= {int(key[1:]): name for key, name in others.items()}
        listing = "".join(f"{number} {name}\n" for number, name in files.items())
        (folder / "images.txt").write_text(listing)
    return folder


def waterbirds(root: Path, **options: object) -> Collection:
    return load("waterbirds", root, options=options)


def test_labels_groups_and_splits(root: Path) -> None:
    found = waterbirds(root)
    assert found.name == "waterbirds"
    assert found.paths == tuple(str(root / name) for _, name, *_ in ROWS)
    assert found.image_ids == ("1", "708", "3312", "11788")
    assert found.class_names == ("landbird", "waterbird")
    assert found.labels.tolist() == [1, 0, 1, 0]
    assert [found.group_names[group] for group in found.groups] == [
        "waterbird on water",
        "landbird on land",
        "waterbird on land",
        "landbird on water",
    ]
    assert found.splits.tolist() == ["train", "val", "test", "test"]
    assert found.sizes.tolist() == [[10, 8]] * 4
    assert found.unreadable == {}


def test_groups_are_numbered_by_label_then_place(root: Path) -> None:
    assert waterbirds(root).groups.tolist() == [3, 0, 2, 1]


def test_published_counts_add_up_to_cub() -> None:
    """CUB-200-2011 has 11,788 images."""
    totals = {split: sum(groups.values()) for split, groups in FACTS.counts.items()}
    assert totals == {"train": 4795, "val": 1199, "test": 5794}
    assert sum(totals.values()) == 11788


@pytest.mark.parametrize("place", [".", "CUB_200_2011", "../CUB_200_2011"])
def test_boxes_are_found_and_joined_by_id(root: Path, place: str) -> None:
    write_cub(root / place)
    found = waterbirds(root)
    expected = [[2, 1, 7, 7.5], [0, 0, 9, 7], [1, 2, 4, 6], [4, 3, 5, 4]]
    assert np.concatenate(found.boxes).tolist() == expected
    assert {box.dtype for box in found.boxes} == {np.dtype(np.float64)}
    assert found.remarks == ()


def test_boxes_elsewhere(root: Path, tmp_path: Path) -> None:
    folder = write_cub(tmp_path / "elsewhere")
    for option in (str(folder), str(folder / "bounding_boxes.txt"), "../../elsewhere"):
        assert waterbirds(root, boxes=option).boxes[3].tolist() == [[4, 3, 5, 4]]


def test_the_option_wins(root: Path, tmp_path: Path) -> None:
    write_cub(root)
    folder = write_cub(tmp_path / "elsewhere", CUB | {1: "0 0 1 1"})
    assert waterbirds(root, boxes=str(folder)).boxes[0].tolist() == [[0, 0, 1, 1]]


def test_without_boxes_it_says_where_it_looked(root: Path) -> None:
    found = waterbirds(root)
    assert [box.shape for box in found.boxes] == [(0, 4)] * 4
    (remark,) = found.remarks
    for place in (root, root / "CUB_200_2011", root.parent / "CUB_200_2011"):
        assert str(place / "bounding_boxes.txt") in remark
    assert "boxes=PATH" in remark


def test_an_image_without_a_box_is_counted(root: Path) -> None:
    write_cub(root, {number: box for number, box in CUB.items() if number != 708})
    found = waterbirds(root)
    assert [len(box) for box in found.boxes] == [1, 0, 1, 1]
    assert found.remarks == (f"{root / 'bounding_boxes.txt'} has no box for 1 of 4 images.",)


def test_boxes_that_nothing_verifies_are_used_with_a_remark(root: Path) -> None:
    write_cub(root, names=False)
    found = waterbirds(root)
    assert [len(box) for box in found.boxes] == [1] * 4
    assert "no images.txt" in found.remarks[0]


def test_boxes_of_other_images_are_refused(root: Path) -> None:
    write_cub(root, i708="014.Indigo_Bunting/Other.jpg")
    with pytest.raises(UsageError, match=r"Image 708 is 014.*Bunting_0001.* but 014.*Other\.jpg"):
        waterbirds(root)


@pytest.mark.parametrize("line", ["1 2.0 1.0 5.0", "x 0 0 1 1", "1 0 0 0 4", "1 0 0 nan 4"])
def test_a_damaged_table_of_boxes(root: Path, line: str) -> None:
    (root / "bounding_boxes.txt").write_text(f"708 0 0 9 7\n\n{line}\n")
    with pytest.raises(UsageError, match=r"bounding_boxes\.txt, line 3") as caught:
        waterbirds(root)
    assert "\n" not in str(caught.value)


def test_boxes_that_are_not_where_the_option_says(root: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no .*nowhere"):
        waterbirds(root, boxes="nowhere")


@pytest.mark.parametrize("missing", ["root", "folder", "table"])
def test_what_is_missing_is_named_with_its_source(tmp_path: Path, missing: str) -> None:
    root = {"root": None, "folder": tmp_path / "no", "table": tmp_path}[missing]
    with pytest.raises(UsageError, match=r"Sagawa.*1911\.08731") as caught:
        load("waterbirds", root)
    sought = {"root": "root", "folder": tmp_path / "no", "table": tmp_path / "metadata.csv"}
    assert str(sought[missing]) in str(caught.value)
    assert "http" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,../../secret.jpg,0,0,0,p", "not a path inside"),
        ("1,/etc/passwd,0,0,0,p", "not a path inside"),
        ("1,a.jpg,2,0,0,p", "row 1: y and place are 0 or 1"),
        ("1,a.jpg,0,3,0,p", "row 1 does not have"),
        ("one,a.jpg,0,0,0,p", "row 1 does not have"),
        ("1,a.jpg", "row 1 does not have"),
        ("", "has no rows"),
    ],
)
def test_wrong_rows(root: Path, row: str, message: str) -> None:
    (root / "metadata.csv").write_text(f"{HEADER}\n{row}\n")
    with pytest.raises(UsageError, match=message) as caught:
        waterbirds(root)
    assert "\n" not in str(caught.value)


def test_a_missing_image_is_listed(root: Path) -> None:
    (root / GULL).unlink()
    assert waterbirds(root).unreadable == {str(root / GULL): "file is missing"}


# Building the boxes


def test_built_boxes_are_those_of_cub(root: Path, tmp_path: Path) -> None:
    cub = write_cub(tmp_path / "cub", {5: "1.0 1.0 1.0 1.0", **CUB}, i5="other.jpg")
    assert build_boxes(root, cub) == [root / "bounding_boxes.txt", root / "images.txt"]
    there, elsewhere = waterbirds(root), waterbirds(root, boxes=str(cub))
    assert there.digest == elsewhere.digest
    assert there.remarks == ()
    assert (root / "bounding_boxes.txt").read_text().splitlines()[0] == "1 2.0 1.0 5.0 6.5"
    assert "other.jpg" not in (root / "images.txt").read_text()


def test_building_twice_changes_nothing(root: Path, tmp_path: Path) -> None:
    cub = write_cub(tmp_path / "cub")
    before = [path.stat().st_ino for path in build_boxes(root, cub)]
    assert [path.stat().st_ino for path in build_boxes(root, cub)] == before


def test_other_content_is_replaced_by_force_alone(root: Path, tmp_path: Path) -> None:
    cub = write_cub(tmp_path / "cub")
    (root / "images.txt").write_text("mine\n")
    with pytest.raises(UsageError, match=r"images\.txt is there with other content: --force"):
        build_boxes(root, cub)
    assert (root / "images.txt").read_text() == "mine\n"
    assert not (root / "bounding_boxes.txt").exists()
    build_boxes(root, cub, force=True)
    assert waterbirds(root).remarks == ()


def test_building_needs_every_box_and_name(root: Path, tmp_path: Path) -> None:
    cub = write_cub(tmp_path / "cub", {1: CUB[1]})
    with pytest.raises(UsageError, match="lacks image 708"):
        build_boxes(root, cub)
    (cub / "images.txt").unlink()
    with pytest.raises(UsageError, match=r"There is no .*images\.txt"):
        build_boxes(root, cub)
    with pytest.raises(UsageError, match="There is no"):
        build_boxes(root, tmp_path / "nowhere")
