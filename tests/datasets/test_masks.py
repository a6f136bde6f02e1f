"""Masks as numbers: palettes and grey values; pictures and other sizes are refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a2pipe.datasets.masks import masks_digest, read_mask
from a2pipe.errors import UsageError

VALUES = np.array([[0, 15, 255], [3, 0, 0]], np.uint8)


def written(path: Path, mode: str) -> str:
    image = Image.fromarray(VALUES, mode)
    if mode == "P":
        image.putpalette([255 - number % 256 for number in range(768)])
    image.save(path)
    return str(path)


@pytest.mark.parametrize("mode", ["P", "L"])
def test_the_numbers_are_read_and_not_the_colours(tmp_path: Path, mode: str) -> None:
    found = read_mask(written(tmp_path / "m.png", mode), (3, 2))
    assert found.tolist() == VALUES.tolist()
    assert found.dtype == np.uint8


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"m\.png has 3 x 2 pixels, its image 2 x 3"):
        read_mask(written(tmp_path / "m.png", "L"), (2, 3))


def test_a_colour_picture_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(UsageError, match="mode RGB, whose pixels are no classes"):
        read_mask(str(tmp_path / "m.png"), (3, 2))


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n torn"])
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"m\.png cannot be read") as refused:
        read_mask(str(path), (3, 2))
    assert "\n" not in str(refused.value)


def test_the_digest_says_which_image_has_which_mask(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a.png", "P"), written(tmp_path / "b.png", "L")
    assert masks_digest({"1": one, "2": other}) != masks_digest({"1": other, "2": one})
    assert masks_digest({"1": one}) != masks_digest({"2": one})
    assert len(masks_digest({"1": one})) == 32
    before = masks_digest({"1": other})
    Path(other).write_bytes(Path(one).read_bytes())
    assert masks_digest({"1": other}) == masks_digest({"1": one}) != before
    with pytest.raises(UsageError, match="cannot be read"):
        masks_digest({"1": str(tmp_path / "none.png")})
