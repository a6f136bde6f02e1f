"""Folders of images: how they are laid out, and what is wrong with them."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from a2pipe.datasets.formats.folder import load_folder
from a2pipe.errors import UsageError

Write = Callable[..., Path]


def test_classes_are_subfolders(write: Write, tmp_path: Path) -> None:
    for path in ("data/dog/2.png", "data/dog/1.JPG", "data/cat/1.webp"):
        write(path)
    found = load_folder(tmp_path / "data")
    assert found.name == "data"
    assert found.class_names == ("cat", "dog")
    assert found.image_ids == ("cat/1.webp", "dog/1.JPG", "dog/2.png")
    assert found.paths[0] == str(tmp_path / "data/cat/1.webp")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.splits.tolist() == ["", "", ""]
    assert found.groups.tolist() == [-1, -1, -1]
    assert found.sizes.tolist() == [[4, 3]] * 3
    assert [box.shape for box in found.boxes] == [(0, 4)] * 3
    assert found.unreadable == {}


@pytest.mark.parametrize(
    ("folder", "split"), [("val", "val"), ("valid", "val"), ("validation", "val"), ("Test", "test")]
)
def test_splits_stand_above_classes(write: Write, tmp_path: Path, folder: str, split: str) -> None:
    write("train/cat/1.png")
    write("train/dog/1.png")
    write(f"{folder}/dog/1.png")
    found = load_folder(tmp_path)
    assert sorted(zip(found.splits.tolist(), found.labels.tolist(), strict=True)) == sorted(
        [("train", 0), ("train", 1), (split, 1)]
    )


def test_class_of_one_split_alone_is_numbered_among_all(write: Write, tmp_path: Path) -> None:
    write("train/b/1.png")
    write("test/a/1.png")
    found = load_folder(tmp_path)
    assert found.class_names == ("a", "b")


def test_class_may_be_called_train(write: Write, tmp_path: Path) -> None:
    write("bus/1.png")
    write("train/1.png")
    assert load_folder(tmp_path).class_names == ("bus", "train")


def test_numbered_classes_stand_in_the_order_of_numbers(write: Write, tmp_path: Path) -> None:
    for name in ("10", "9", "0"):
        write(f"{name}/1.png")
    assert load_folder(tmp_path).class_names == ("0", "9", "10")


def test_flat_folder_has_no_classes(write: Write, tmp_path: Path) -> None:
    write("b.png")
    write("a.png")
    found = load_folder(tmp_path)
    assert found.image_ids == ("a.png", "b.png")
    assert found.labels.tolist() == [-1, -1]
    assert found.class_names == ()


def test_flat_splits_have_no_classes(write: Write, tmp_path: Path) -> None:
    write("train/a.png")
    write("test/a.png")
    found = load_folder(tmp_path)
    assert found.labels.tolist() == [-1, -1]
    assert set(found.splits.tolist()) == {"train", "test"}


def test_images_at_any_depth_belong_to_the_class(write: Write, tmp_path: Path) -> None:
    write("cat/a/b/1.png")
    assert load_folder(tmp_path).class_names == ("cat",)


def test_hidden_and_other_files_are_left_out(write: Write, tmp_path: Path) -> None:
    write("cat/1.png")
    write("cat/.2.png")
    write(".thumbnails/1.png")
    (tmp_path / "cat" / "notes.txt").touch()
    (tmp_path / "empty class").mkdir()
    assert load_folder(tmp_path).image_ids == ("cat/1.png",)


def test_what_is_named_like_an_image_is_never_dropped(write: Write, tmp_path: Path) -> None:
    write("cat/good.png")
    write("cat/folder.jpg/inside.png")
    (tmp_path / "cat" / "link.jpg").symlink_to("nowhere")
    (tmp_path / "cat" / "empty.jpg").touch()
    found = load_folder(tmp_path)
    assert found.image_ids == ("cat/empty.jpg", "cat/folder.jpg", "cat/good.png", "cat/link.jpg")
    assert [bool(digest) for digest in found.digests] == [True, False, True, False]
    assert found.unreadable == {
        str(tmp_path / "cat/folder.jpg"): "a directory, not a file",
        str(tmp_path / "cat/link.jpg"): "a link to a file that is missing",
    }


def test_any_file_name(write: Write, tmp_path: Path) -> None:
    write("Vögel/鳥.png")
    write("a.png").rename(tmp_path / "Vögel" / os.fsdecode(b"\xe9.png"))
    found = load_folder(tmp_path)
    assert found.class_names == ("Vögel",)
    assert len(found.images) == 2


def test_linked_class_is_followed_and_a_circle_is_not(write: Write, tmp_path: Path) -> None:
    write("elsewhere/1.png")
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "self").symlink_to("self")
    assert load_folder(tmp_path / "data").image_ids == ("dog/1.png",)


def test_same_image_twice_is_one_image(write: Write, tmp_path: Path) -> None:
    write("cat/1.png", content="same")
    write("dog/1.png", content="same")
    found = load_folder(tmp_path)
    assert len(found) == 2
    assert len(found.images) == 1
    assert found.path_of[found.digests[0]] == found.paths[0]


def test_order_does_not_depend_on_the_directory(write: Write, tmp_path: Path) -> None:
    for index in np.random.default_rng(0).permutation(20):
        write(f"c/{index:02}.png")
    assert list(load_folder(tmp_path).image_ids) == [f"c/{index:02}.png" for index in range(20)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["readme.txt"], "No images in"),
        (["a.png", "cat/1.png"], "holds images beside its subfolders"),
        (["train/a.png", "train/cat/1.png", "test/cat/1.png"], "holds images beside"),
        (["train/cat/1.png", "test/cat/1.png", "cat/1.png"], "split folders and others beside"),
        (["train/cat/1.png", "a.png"], "holds images beside"),
    ],
)
def test_layout_that_cannot_be_understood(
    write: Write, tmp_path: Path, files: list[str], message: str
) -> None:
    for file in files:
        if file.endswith(".txt"):
            (tmp_path / file).touch()
        else:
            write(file)
    with pytest.raises(UsageError, match=message):
        load_folder(tmp_path)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere does not exist: check its path"):
        load_folder(tmp_path / "nowhere")


def test_file_instead_of_a_folder(write: Write) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        load_folder(write("a.png"))


def test_folder_that_cannot_be_listed(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    write("cat/1.png")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match="cannot be listed"):
        load_folder(tmp_path)
