"""Images that are named one by one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from a2pipe.datasets.formats.image_list import load_image_list
from a2pipe.errors import UsageError

Write = Callable[..., Path]


def test_files_and_folders_in_their_order_each_once(write: Write, tmp_path: Path) -> None:
    last, first = write("z.png"), write("folder/deep/a.png")
    (tmp_path / "folder" / "notes.txt").touch()
    found = load_image_list([last, tmp_path / "folder", last])
    assert found.paths == found.image_ids == (str(last), str(first))
    assert (found.name, found.class_names, found.group_names) == ("images", (), ())
    assert (found.labels.tolist(), found.groups.tolist()) == ([-1, -1], [-1, -1])
    assert found.splits.tolist() == ["", ""]


def test_a_file_of_any_name_is_taken(tmp_path: Path, write: Write) -> None:
    image = write("a.png").rename(tmp_path / "photo")
    assert load_image_list([image]).sizes.tolist() == [[4, 3]]


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no image"):
        load_image_list([tmp_path / "none.png"])
    with pytest.raises(UsageError, match="No images in"):
        load_image_list([tmp_path])
    with pytest.raises(UsageError, match="No images in nothing"):
        load_image_list([])
