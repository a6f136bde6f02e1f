"""Prepare pixels: resize on the CPU, then scale, normalise and crop on the model's device."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import A2pipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    import torch
    from torch import Tensor

MOST_RESIZED = 1 << 26
"""Pixels that `resize_then_cut` makes of a whole image at most: 200 MB. A strip of 1 by 5,000 px,
its shorter side made 256, would take five times as much."""


def resize_part(
    image: npt.NDArray[np.uint8],
    rectangle: tuple[float, float, float, float],
    width: int,
    height: int,
    bicubic: bool = False,
) -> npt.NDArray[np.uint8]:
    """Cut a rectangle out of an image and resize it; return uint8 (height, width, 3).

    image: uint8 RGB (H, W, 3). rectangle: x0, y0, x1, y1 in pixels, inside the image and of some
    area; its edges may lie between pixels. width, height: in pixels. Pillow's bilinear filter is
    used, or its bicubic one, which are antialiased when they shrink. Where rectangle and result are
    of one size in whole pixels, the bytes are those of the image.
    """
    # The pixels around the rectangle are cut off first, so that the filter cannot see any pixel
    # that lies wholly outside it.
    x0, y0 = floor(rectangle[0]), floor(rectangle[1])
    around = np.ascontiguousarray(image[y0 : ceil(rectangle[3]), x0 : ceil(rectangle[2])])
    inner = (rectangle[0] - x0, rectangle[1] - y0, rectangle[2] - x0, rectangle[3] - y0)
    return np.array(Image.fromarray(around).resize((width, height), _filter(bicubic), box=inner))


def resize_then_cut(
    image: npt.NDArray[np.uint8],
    size: tuple[int, int],
    corner: tuple[int, int],
    side: int,
    bicubic: bool = False,
) -> npt.NDArray[np.uint8]:
    """Resize a whole image and cut a square out of it; return uint8 (side, side, 3).

    image: uint8 RGB (H, W, 3). size: width and height to which it is resized. corner: left and top
    pixel of the square, which lies inside. The filters are those of `resize_part`. Where the whole
    would have more than `MOST_RESIZED` pixels, only the square is computed, whose pixels may differ
    by a few levels: Pillow 13 chooses by the sizes whether rows or columns are resized first.
    """
    (width, height), (left, top) = size, corner
    whole = Image.fromarray(image)
    if width * height <= MOST_RESIZED:
        resized = whole.resize(size, _filter(bicubic))
        return np.array(resized.crop((left, top, left + side, top + side)))
    across, down = image.shape[1] / width, image.shape[0] / height
    stop = min((left + side) * across, image.shape[1]), min((top + side) * down, image.shape[0])
    box = (left * across, top * down, *stop)
    return np.array(whole.resize((side, side), _filter(bicubic), box=box))


def _filter(bicubic: bool) -> Image.Resampling:
    return Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR


def to_unit(pixels: npt.NDArray[np.uint8], device: torch.device | str = "cpu") -> Tensor:
    """Convert pixels of uint8 (B, H, W, 3) to float32 (B, 3, H, W) in [0, 1] on a device."""
    return unit(to_device(pixels, device))


def to_device(pixels: npt.NDArray[Any], device: torch.device | str = "cpu") -> Tensor:
    """Copy pixels, uint8 (B, H, W, 3), to a device; on the CPU the tensor shares their memory.

    To CUDA the copy is only queued. It is made from pinned memory: an array that is not pinned is
    copied to such memory first, and one that is has to stay as it is until the results of a launch
    with the pixels were waited for.
    """
    import torch

    # The pixels travel to the device as bytes, a quarter of the size of floats, and are converted
    # there. From pinned memory a copy to CUDA runs while the host goes on with the next batch, and
    # on a stream of its own while the device computes with the last one.
    host = torch.from_numpy(np.ascontiguousarray(pixels))
    if torch.device(device).type != "cuda":
        return host.to(device)
    uploads, computing = _upload_stream(str(device)), torch.cuda.current_stream(device)
    with torch.cuda.stream(uploads):
        moved = host.pin_memory().to(device, non_blocking=True)
    computing.wait_stream(uploads)
    moved.record_stream(computing)
    return moved


@lru_cache
def _upload_stream(device: str) -> torch.cuda.Stream:
    import torch

    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def pinned(array: npt.NDArray[np.uint8]) -> Iterator[None]:
    """Pin memory that exists already while the block runs, so that CUDA copies straight from it.

    Where the driver refuses, nothing changes.
    """
    import torch

    runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]
    outcome = runtime.cudaHostRegister(array.ctypes.data, array.nbytes, 0)
    try:
        yield
    finally:
        if outcome == runtime.cudaError.success:
            runtime.cudaHostUnregister(array.ctypes.data)


def unit(pixels: Tensor) -> Tensor:
    """Convert pixels of uint8 (B, H, W, 3) to float32 (B, 3, H, W) in [0, 1], where they are."""
    return pixels.permute(0, 3, 1, 2).float().div_(255.0).contiguous()


def normalize(
    images: Tensor, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor
) -> Tensor:
    """Return (images - mean) / std per channel, of images float (B, 3, H, W) in [0, 1]."""
    import torch

    shape = (1, 3, 1, 1)
    by_channel = [
        torch.as_tensor(values, dtype=images.dtype, device=images.device).view(shape)
        for values in (mean, std)
    ]
    return (images - by_channel[0]) / by_channel[1]


def crop_resize(images: Tensor, boxes: npt.NDArray[np.int32], size: int) -> Tensor:
    """Cut one square out of each image and resize it to size x size pixels.

    images: float (B, 3, H, W). boxes: int (B, 4) of x0, y0, x1, y1 in pixels, half-open, inside the
    images, all of one side. Returns float (B, 3, size, size), resized bilinearly with half-pixel
    centres and antialiased when it shrinks; the pixels themselves where the side is already `size`.

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
    """Check the boxes and return the one side in pixels that all of them have."""
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
    """Gather squares (B, 3, side, side) by their upper left corners, in one indexing operation."""
    import torch

    # As pixels are moved: a copy of memory that is not pinned would wait for the device.
    corners = to_device(boxes[:, :2].astype(np.int64), images.device)
    steps = torch.arange(side, device=images.device)
    columns = (corners[:, 0, None] + steps)[:, None, None, :]
    rows = (corners[:, 1, None] + steps)[:, None, :, None]
    which = torch.arange(len(images), device=images.device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return images[which, channels, rows, columns]
