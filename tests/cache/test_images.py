"""The list of images of an artifact, held to the name of its folder."""

from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.cache.images import read_layout, write_images
from a2pipe.cache.layout import Layout
from a2pipe.errors import DamagedError

IMAGES = ("ab" * 16, "cd" * 16, "01" * 16)
LAYOUT = Layout(IMAGES, shard_size=2)
HEADER = SimpleNamespace(shard_size=2, backend="zarr", rows_id=LAYOUT.rows_id)


def test_a_list_comes_back_in_its_order(tmp_path):
    write_images(tmp_path, IMAGES)
    assert read_layout(tmp_path, HEADER) == LAYOUT


def test_artifacts_over_the_same_images_share_one_layout(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_images(tmp_path / name, IMAGES)
    assert read_layout(tmp_path / "a", HEADER) is read_layout(tmp_path / "b", HEADER)


def test_it_is_plain_numpy(tmp_path):
    write_images(tmp_path, IMAGES)
    assert np.load(tmp_path / "images.npy").tolist() == [image.encode() for image in IMAGES]


@pytest.mark.parametrize("change", ["gone", "cut short", "another order", "numbers", "no text"])
def test_a_list_that_is_not_the_folders_is_damaged(tmp_path, change):
    path = tmp_path / "images.npy"
    write_images(tmp_path, IMAGES[::-1] if change == "another order" else IMAGES)
    if change == "gone":
        path.unlink()
    if change == "cut short":
        path.write_bytes(path.read_bytes()[:-1])
    if change == "numbers":
        np.save(path, np.arange(3))
    if change == "no text":
        np.save(path, np.array([b"\xff" * 32] * 3))
    with pytest.raises(DamagedError, match=r"images.npy is gone or altered"):
        read_layout(tmp_path, HEADER)
