"""Image files: their names, opening them, and what their header says."""

import errno
import io
import os
import warnings
from pathlib import Path

import pytest
from PIL import Image

from a2pipe.datasets.images.image_files import (
    FORMATS,
    explain,
    has_image_suffix,
    open_file,
    open_image,
    orientation,
    silence_pillow,
    upright_size,
)
from a2pipe.errors import A2pipeError, BadImageError


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "b.c.Png", "a.tif", ".x.webp", "a/b.avif"])
def test_names_of_images(name: str) -> None:
    assert has_image_suffix(name)


@pytest.mark.parametrize("name", ["jpg", ".jpg", "a/.jpg", "a.jpg.txt", "a.svg", "a.eps", "a."])
def test_names_of_others(name: str) -> None:
    assert not has_image_suffix(name)


def test_what_is_no_regular_file_is_told_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("nowhere.png")
    for path, reason in (
        (tmp_path, "a directory, not a file"),
        (tmp_path / "pipe.png", "not a regular file"),
        (tmp_path / "link.png", "a link to a file that is missing"),
        (tmp_path / "none.png", "file is missing"),
    ):
        with pytest.raises(BadImageError, match=reason):
            open_file(path)


def test_a_fault_of_the_machine_condemns_no_image() -> None:
    found = explain("a.png", OSError(errno.EMFILE, "Too many open files"))
    assert type(found) is A2pipeError
    assert isinstance(explain("a.png", OSError(errno.EIO, "Input/output error")), BadImageError)


def saved(kind: str, turn: int | None = None) -> io.BytesIO:
    buffer, exif = io.BytesIO(), Image.Exif()
    if turn is not None:
        exif[0x0112] = turn
    Image.new("RGB", (6, 4)).save(buffer, kind, exif=exif)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(("turn", "size"), [(1, (6, 4)), (3, (6, 4)), (6, (4, 6)), (8, (4, 6))])
def test_quarter_turns_swap_width_and_height(turn: int, size: tuple[int, int]) -> None:
    with open_image(saved("JPEG", turn)) as image:
        assert (orientation(image), upright_size(image)) == (turn, size)


@pytest.mark.parametrize("turn", [None, 0, 9])
def test_an_orientation_that_is_none_is_upright(turn: int | None) -> None:
    with open_image(saved("JPEG", turn)) as image:
        assert orientation(image) == 1


def test_a_tiff_is_turned_by_pillow_itself() -> None:
    with open_image(saved("TIFF", 6)) as image:
        assert orientation(image) == 1


def test_every_format_that_is_tried_is_registered() -> None:
    assert set(FORMATS) <= Image.OPEN.keys()


def test_formats_that_hold_no_photographs_are_not_tried() -> None:
    with pytest.raises(Image.UnidentifiedImageError):
        open_image(io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"))


def test_only_warnings_of_pillow_are_silenced() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        silence_pillow()
        warnings.warn_explicit("odd EXIF", UserWarning, "x.py", 1, module="PIL.TiffImagePlugin")
        warnings.warn_explicit("mine", UserWarning, "x.py", 1, module="a2pipe")
    assert [str(each.message) for each in caught] == ["mine"]
