"""Demo collections by name: built once, apart from each other, mended where damaged."""

from pathlib import Path

import pytest

from a2pipe.datasets.registry import load
from a2pipe.errors import A2pipeError

SMALL = {"train": 8, "test": 4}


def test_demo_is_built_once_and_read(tmp_path: Path) -> None:
    first = load("demo-38", options=SMALL, workspace=tmp_path / "kept")
    assert first.name == "demo-38"
    assert first.class_names == ("3", "8")
    assert first.group_names == ("3 on china", "3 on flower", "8 on china", "8 on flower")
    assert first.splits.tolist() == ["train"] * 8 + ["test"] * 4
    assert [box.shape for box in first.boxes] == [(1, 4)] * 12
    assert first.unreadable == {}
    built = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*")}
    assert load("demo-38", options=SMALL, workspace=tmp_path / "kept").digest == first.digest
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*")} == built


def test_demos_of_other_options_lie_apart(tmp_path: Path) -> None:
    one = load("demo-01", options=SMALL, workspace=tmp_path)
    other = load("demo-01", options=SMALL | {"seed": 1}, workspace=tmp_path)
    assert one.digest != other.digest
    assert len(list(tmp_path.iterdir())) == 2


def test_demo_in_a_root_of_ones_own(tmp_path: Path) -> None:
    found = load("demo-01", tmp_path / "mine", options=SMALL)
    assert Path(found.paths[0]).is_relative_to(tmp_path / "mine")


def test_demo_that_lost_an_image_is_mended(tmp_path: Path) -> None:
    first = load("demo-01", options=SMALL, workspace=tmp_path)
    Path(first.paths[3]).unlink()
    assert load("demo-01", options=SMALL, workspace=tmp_path).digest == first.digest


def test_demo_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(A2pipeError, match="cannot be built in"):
        load("demo-01", options=SMALL, workspace=tmp_path / "file")
