"""Pixels before the model: resizing on the CPU; scaling, normalisation and crops on the device."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import A2pipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import torch
    from torch import Tensor


def resize_part(
    image: npt.NDArray[np.uint8],
    part: tuple[float, float, float, float],
    width: int,
    height: int,
) -> npt.NDArray[np.uint8]:
    """A rectangle of an image, resized: uint8 (height, width, 3).

    image: uint8 RGB (H, W, 3). part: x0, y0, x1, y1 inside it, of some area; edges may lie between
    pixels. By Pillow's bilinear filter, which is antialiased when it shrinks and sees no pixel that
    lies wholly outside the part; the same bytes where the size is already right.
    """
    x0, y0 = floor(part[0]), floor(part[1])
    around = np.ascontiguousarray(image[y0 : ceil(part[3]), x0 : ceil(part[2])])
    inner = (part[0] - x0, part[1] - y0, part[2] - x0, part[3] - y0)
    resized = Image.fromarray(around).resize((width, height), Image.Resampling.BILINEAR, box=inner)
    return np.array(resized)


def to_unit(pixels: npt.NDArray[np.uint8], device: torch.device | str = "cpu") -> Tensor:
    """uint8 (B, H, W, 3) to float32 (B, 3, H, W) in [0, 1] on the device.

    Bytes are what travels, a quarter of the floats; to CUDA from pinned memory, so that the copy
    runs while the host goes on.
    """
    import torch

    host = torch.from_numpy(np.ascontiguousarray(pixels))
    pinned = torch.device(device).type == "cuda"
    moved = (host.pin_memory() if pinned else host).to(device, non_blocking=pinned)
    return moved.permute(0, 3, 1, 2).float().div_(255.0).contiguous()


def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(x - mean) / std per channel. images: float (B, 3, H, W) in [0, 1]."""
    shape = (1, 3, 1, 1)
    return (images - images.new_tensor(mean).view(shape)) / images.new_tensor(std).view(shape)


def crop_resize(images: Tensor, boxes: npt.NDArray[np.int32], size: int) -> Tensor:
    """Cut one square out of each image and resize it.

    images: float (B, 3, H, W). boxes: int (B, 4) of x0, y0, x1, y1, half-open, inside the images,
    all of one side. Returns float (B, 3, size, size): bilinear, half-pixel centres, antialiased
    when it shrinks; the pixels themselves where the side is already `size`.

    Raises A2pipeError if the boxes differ in side or leave the image.
    """
    from torch.nn.functional import interpolate

    side = _side(images, boxes)
    crops = _cut(images, boxes, side)
    if side == size:
        return crops
    return interpolate(
        crops, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )


def _side(images: Tensor, boxes: npt.NDArray[np.int32]) -> int:
    """The one side that all boxes have."""
    height, width = images.shape[-2:]
    if boxes.shape != (len(images), 4):
        raise A2pipeError(f"{len(images)} images need as many boxes, not {boxes.shape}.")
    sides = np.unique(boxes[:, 2:] - boxes[:, :2])
    if len(boxes) and (len(sides) != 1 or sides[0] < 1):
        raise A2pipeError("The crop boxes of one batch are not squares of one size.")
    if (boxes[:, :2] < 0).any() or (boxes[:, 2:] > (width, height)).any():
        raise A2pipeError(f"A crop box leaves its {width} x {height} image.")
    return int(sides[0]) if len(boxes) else 1


def _cut(images: Tensor, boxes: npt.NDArray[np.int32], side: int) -> Tensor:
    import torch

    corners = torch.as_tensor(np.asarray(boxes[:, :2], dtype=np.int64), device=images.device)
    steps = torch.arange(side, device=images.device)
    columns = (corners[:, 0, None] + steps)[:, None, None, :]
    rows = (corners[:, 1, None] + steps)[:, None, :, None]
    which = torch.arange(len(images), device=images.device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return images[which, channels, rows, columns]
