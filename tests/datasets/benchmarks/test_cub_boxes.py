"""The bounding boxes of CUB-200-2011."""

from pathlib import Path

import numpy as np
import pytest

from a2pipe.datasets.benchmarks.cub_boxes import (
    CubBoxes,
    cub_boxes_at,
    find_cub_boxes,
    read_cub_boxes,
)
from a2pipe.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "CUB_200_2011"
    folder.mkdir()
    (folder / "bounding_boxes.txt").write_text("1 60.0 27.0 325.0 304.0\n\n2 139.0 30.5 1.0 2.0\n")
    (folder / "images.txt").write_text("1 001.Albatross/A 1.jpg\n2 001.Albatross/A_2.jpg\n")
    return folder


def test_width_and_height_become_corners(folder: Path) -> None:
    first, second, none = cub_boxes_at(folder).of([1, 2, 3])
    assert (first.tolist(), second.tolist()) == ([[60, 27, 385, 331]], [[139, 30.5, 140, 32.5]])
    assert first.dtype == np.float64
    assert none.shape == (0, 4)


def test_names_may_hold_spaces(folder: Path) -> None:
    found = read_cub_boxes(folder / "bounding_boxes.txt")
    assert found.files == {1: "001.Albatross/A 1.jpg", 2: "001.Albatross/A_2.jpg"}


def test_another_name_for_an_id_is_refused(folder: Path) -> None:
    found = cub_boxes_at(folder)
    found.require_same_files({1: "001.Albatross/A 1.jpg", 9: "of no box.jpg"})
    with pytest.raises(UsageError, match=r"Image 2 is b\.jpg in the dataset but 001.*A_2\.jpg in"):
        found.require_same_files({2: "b.jpg"})


def test_remarks_on_what_is_missing(folder: Path) -> None:
    assert cub_boxes_at(folder).remarks([1, 2]) == ()
    (folder / "images.txt").unlink()
    lacking, unverified = cub_boxes_at(folder).remarks([1, 2, 3])
    assert lacking.endswith("has no box for 1 of 3 images.")
    assert unverified.startswith("There is no images.txt")
    assert CubBoxes.none().of([1])[0].shape == (0, 4)


def test_the_folder_beside_the_root_is_found(folder: Path) -> None:
    found = find_cub_boxes(folder.parent / "waterbirds", None)
    assert isinstance(found, CubBoxes)
    assert found.path == folder / "bounding_boxes.txt"


def test_boxes_that_are_nowhere_are_a_sentence(tmp_path: Path) -> None:
    found = find_cub_boxes(tmp_path / "waterbirds", None)
    assert isinstance(found, str)
    assert found.endswith("were looked for; the option boxes=PATH says where else.")
