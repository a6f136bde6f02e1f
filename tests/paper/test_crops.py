"""Crops one by one: faded outside, stored, and refused if damaged."""

import numpy as np
import pytest

from a2pipe.errors import A2pipeError
from a2pipe.paper.crops import CropPictures, crops_bytes, faded, read_crops


def test_outside_the_crops_the_image_is_pale():
    image = np.zeros((4, 4, 3), np.uint8)
    found = faded(image, np.array([[1, 1, 3, 2]]))
    assert found[1, 1:3].max() == 0
    assert found[0, 0].tolist() == [178] * 3  # 255 - 0.3 * 255 = 178.5, to even
    assert (found == 0).all(axis=2).sum() == 2


def test_crops_read_back(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 8, 8, 3), np.uint8)
    boxes = rng.integers(0, 8, (2, 4, 4)).astype(np.int32)
    (tmp_path / "crops.npz").write_bytes(crops_bytes(CropPictures("d", images, boxes)))
    found = read_crops(tmp_path / "crops.npz")
    assert found.dataset == "d"
    assert (found.images == images).all()
    assert (found.boxes == boxes).all()
    with pytest.raises(A2pipeError, match="Cannot read the crops"):
        read_crops(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text"])
def test_damaged_crops_are_one_sentence(tmp_path, content):
    (tmp_path / "crops.npz").write_bytes(content)
    with pytest.raises(A2pipeError, match="Cannot read the crops"):
        read_crops(tmp_path / "crops.npz")
