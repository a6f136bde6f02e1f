"""Tiles of a canvas, against slices of it, and the baseline made of them."""

import pytest
import torch
from torch.nn.functional import interpolate

from a2pipe.errors import UsageError
from a2pipe.stages.boxes.full import FullBox
from a2pipe.stages.boxes.tile import TileBox
from a2pipe.stages.geometry import Canvas


def test_tiles_go_row_by_row():
    boxes = [TileBox(number, 2, 8).place(["a"], None, None)[0].tolist() for number in range(4)]
    assert boxes == [[0, 0, 4, 4], [4, 0, 8, 4], [0, 4, 4, 8], [4, 4, 8, 8]]


def test_a_crop_is_a_slice_of_the_canvas_enlarged_as_a_whole():
    canvases = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    tile = TileBox(3, 2, 8)
    enlarged = interpolate(canvases, size=(12, 12), mode="bicubic", align_corners=False)
    crops = tile.crops(canvases, tile.place(["a", "b"], None, None), 6)
    torch.testing.assert_close(crops, enlarged[:, :, 6:, 6:], rtol=0, atol=0)


@pytest.mark.parametrize(("canvas", "size"), [(48, 48), (96, 84), (224, 98)])
def test_no_bit_of_a_tile_depends_on_its_batch(canvas, size):
    canvases = torch.rand(13, 3, canvas, canvas, generator=torch.Generator().manual_seed(0))
    tile = TileBox(1, 2, canvas)
    together = tile.crops(canvases, tile.place(["a"] * 13), size)
    for start, end in ((0, 1), (1, 3), (3, 8), (8, 13)):
        part = tile.crops(canvases[start:end], tile.place(["a"] * (end - start)), size)
        assert torch.equal(part, together[start:end])


def test_s2_is_the_whole_image_and_the_mean_of_four_tiles():
    named = TileBox.named("", Canvas(48), (), None)
    assert (named.key, named.boxes) == ("s2", (FullBox(48),))
    assert named.averaged == tuple(TileBox(number, 2, 48) for number in range(4))
    assert named.averaged[1].words == "tile 2 of 2 x 2"


def test_tiles_are_whole_pixels():
    with pytest.raises(UsageError, match="cannot be cut into 2 x 2 equal tiles"):
        TileBox.named("", Canvas(47), (), None)
    with pytest.raises(UsageError, match="cannot be cut into 3 x 3 equal tiles"):
        TileBox(8, 3, 224).place(["a"], None, None)
