"""CLS embeddings of boxes cut from a batch of canvases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..models.preprocessing import crop_resize
from .boxes import tile_box
from .specs import TileBox

if TYPE_CHECKING:
    from ..models.backbone import Backbone


def embed_boxes(
    backbone: Backbone, canvases: Any, boxes: NDArray[np.int32], input_size: int
) -> NDArray[np.float32]:
    """Cut one box per canvas, resize it to input_size bilinearly and embed it: float32 (B, d).

    canvases: float tensor (B, 3, M, M) in [0, 1] on the backbone's device; boxes: (B, 4), all of
    one size, in pixels of the canvas.
    """
    return backbone.embed(crop_resize(canvases, boxes, input_size))


def embed_tiles(
    backbone: Backbone, canvases: Any, tile: TileBox, input_size: int
) -> NDArray[np.float32]:
    """Embed one tile of the enlarged canvas, as S² does: float32 (B, d).

    canvases: as in `embed_boxes`; the whole canvas is resized bicubically, without antialiasing, to
    tile.grid * input_size, so that a tile is interpolated across its edges too.
    """
    from torch.nn.functional import interpolate

    side = tile.grid * input_size
    enlarged = interpolate(canvases, size=(side, side), mode="bicubic", align_corners=False)
    boxes = tile_box(len(canvases), tile.number, tile.grid, side)
    return backbone.embed(crop_resize(enlarged, boxes, input_size))
