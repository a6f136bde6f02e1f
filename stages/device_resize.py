"""Resize images of many sizes on a device in a few calls, with bits that depend on each alone.

The filter is Pillow's bilinear one: a triangle, as wide as the image shrinks, over columns first
and then over rows, rounded to 8 bits after each. A pass is a batched matrix product of pixels with
weights of 16 bits, both whole numbers in float32. All weights of a result sum to 2^16, so every
product and every partial sum is a whole number of at most 255 * 2^16 < 2^24, which float32 holds
exactly: the result depends neither on the order of summation, nor on what else is in the batch or
in the padding, nor on the kind of device. The weights come from integers too. Pillow's weights have
22 bits, and since Pillow 13 rows come first in some tall images, so results differ from Pillow's by
one level at most.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

ONE = 1 << 16
"""The weights of one result sum to this."""
ROOM = 256 << 20
"""Pixels of one group, and what a pass makes of them, may take about so many bytes each."""


@dataclass(frozen=True)
class Part:
    """A Part says what is cut out of one image and where it stands in the result.

    shown: x0, y0, x1, y1 of a rectangle inside the image, in pixels; edges are multiples of a half.
    filled: the pixels of the result that it fills, half-open x0, y0, x1, y1.
    """

    shown: tuple[float, float, float, float]
    filled: tuple[int, int, int, int]


def resize_parts(
    images: Sequence[Tensor],
    parts: Sequence[Part],
    side: int,
    padding: tuple[int, int, int],
    room: int = ROOM,
) -> Tensor:
    """Cut a part out of every image and resize it; return uint8 (n, side, side, 3).

    images: uint8 (3, H, W) each, of any sizes, on one device. parts: one for each image. padding:
    RGB where a part fills nothing. room: about how many bytes are taken at once. Pixels wholly
    outside a part's rectangle have no influence. A part that is shown in its own size keeps its
    bytes.

    Raises ValueError where an edge of a part is no multiple of a half.
    """
    device = images[0].device
    result = torch.empty((len(images), side, side, 3), dtype=torch.uint8, device=device)
    for group in groups([tuple(image.shape[1:]) for image in images], side, room):
        of_group = [parts[index] for index in group]
        resized = _resize([images[index] for index in group], of_group, side, padding, room)
        result[torch.tensor(group, device=device)] = resized
    return result


def groups(sizes: Sequence[tuple[int, ...]], side: int, room: int) -> Iterator[list[int]]:
    """Split images into groups that are padded to one size; yield their indices.

    sizes: (height, width) of each. Neither the bytes of a group nor, as float32, its rows once they
    are `side` wide take more than `room` bytes, unless it is one image. Images of about one size
    come together, so that one large image pads no small ones.
    """
    order = sorted(range(len(sizes)), key=lambda index: (sizes[index][0] * sizes[index][1], index))
    group: list[int] = []
    height = width = 0
    for index in order:
        height, width = max(height, sizes[index][0]), max(width, sizes[index][1])
        if group and (len(group) + 1) * height * max(3 * width, 12 * side) > room:
            yield group
            group, (height, width) = [], sizes[index]
        group.append(index)
    if group:
        yield group


def _resize(
    images: Sequence[Tensor],
    parts: Sequence[Part],
    side: int,
    padding: tuple[int, int, int],
    room: int,
) -> Tensor:
    pixels = _stack(images)
    height, width = pixels.shape[2:]
    across = weights([_span(part, 0) for part in parts], side, width, pixels.device)
    down = weights([_span(part, 1) for part in parts], side, height, pixels.device)
    with exact(pixels.device):
        # As float32 the pixels take four times their bytes: hence some rows after the other.
        step = max(1, room // (12 * len(images) * width))
        portions = torch.split(pixels, step, dim=2)
        narrow = torch.cat([_over_columns(rows, across) for rows in portions], 2)
        squares = torch.stack([_rounded(torch.bmm(down, part)) for part in narrow.unbind(1)], -1)
    return _pad(squares.to(torch.uint8), parts, side, padding)


def _over_columns(pixels: Tensor, across: Tensor) -> Tensor:
    """Resize the columns of (n, 3, h, W) by weights (n, side, W): float32 (n, 3, h, side)."""
    # One matrix an image, of all rows of all channels, so that no weights are copied for channels.
    rows = pixels.float().flatten(1, 2)
    narrow = _rounded(torch.bmm(rows, across.transpose(1, 2)))
    return narrow.view(*pixels.shape[:3], -1)


def _stack(images: Sequence[Tensor]) -> Tensor:
    """Put images of different sizes into the upper left of one tensor (n, 3, H, W)."""
    sizes = {tuple(image.shape) for image in images}
    if len(sizes) == 1:
        return torch.stack(list(images))
    height, width = (max(size[axis] for size in sizes) for axis in (1, 2))
    # What is left of it is never cleared: its weight is zero.
    stacked = images[0].new_empty((len(images), 3, height, width))
    places = [
        stacked[index, :, : image.shape[1], : image.shape[2]] for index, image in enumerate(images)
    ]
    torch._foreach_copy_(places, list(images))
    return stacked


def _span(part: Part, axis: int) -> tuple[int, int, int, int]:
    """Return along an axis twice the start and twice the length shown, and the pixels filled."""
    start, stop = (int(2 * part.shown[edge]) for edge in (axis, axis + 2))
    if (start / 2, stop / 2) != (part.shown[axis], part.shown[axis + 2]):
        raise ValueError(f"an edge of {part.shown} is no multiple of a half")
    first, last = part.filled[axis], part.filled[axis + 2]
    return start, stop - start, first, last - first


def weights(
    spans: Sequence[tuple[int, int, int, int]], side: int, extent: int, device: torch.device
) -> Tensor:
    """Return the weight of each pixel of an axis in each result: float32 (n, side, extent).

    spans: for each image twice the start and twice the length of what is shown, in pixels of the
    axis; the first result that it fills, and how many. extent: pixels of the axis, with padding.
    The weights are whole numbers; those of a filled result sum to `ONE`, all others are zero.
    """
    # In units of which a pixel has 4 * count, centres, supports and distances are whole numbers.
    taps = max(2 * max(1, -(-length // (2 * count))) + 1 for _, length, _, count in spans)
    start, length, first, count = (
        column.view(-1, 1, 1) for column in torch.tensor(spans, device=device).unbind(1)
    )
    place = torch.arange(side, device=device).view(1, -1, 1) - first
    centre = 2 * start * count + (2 * place + 1) * length
    support = torch.maximum(4 * count, 2 * length)
    lowest = (centre - support + 2 * count).div(4 * count, rounding_mode="floor")
    pixel = lowest + torch.arange(taps, device=device)
    height = (support - ((4 * pixel + 2) * count - centre).abs()).clamp_(min=0)
    # Pixels that lie wholly outside what is shown have no part in it.
    inside = (2 * pixel + 2 > start) & (2 * pixel < start + length)
    filled = (place >= 0) & (place < count)
    shares = _shares(height * (inside & filled))
    dense = torch.zeros((len(spans), side, extent), device=device)
    # Added and not set: pixels outside the axis, whose weight is zero, are moved onto its edge.
    return dense.scatter_add_(2, pixel.clamp_(0, extent - 1), shares.float())


def _shares(heights: Tensor) -> Tensor:
    """Return whole shares of `ONE` in proportion to whole heights >= 0, along the last axis.

    Each share is that of the rounded running sum, so they add up to `ONE` exactly, and pixels of
    weight zero get none. Where all heights are zero, all shares are.
    """
    running = heights.cumsum(-1)
    total = running[..., -1:].clamp(min=1)
    rounded = (2 * ONE * running + total).div(2 * total, rounding_mode="floor")
    return torch.diff(rounded, dim=-1, prepend=torch.zeros_like(rounded[..., :1]))


def _rounded(sums: Tensor) -> Tensor:
    """Divide sums of weighted pixels by the sum of the weights, rounding halves up."""
    return sums.add_(ONE // 2).mul_(1 / ONE).floor_()


def _pad(
    squares: Tensor, parts: Sequence[Part], side: int, padding: tuple[int, int, int]
) -> Tensor:
    """Put the padding colour where no part fills a square."""
    if all(part.filled == (0, 0, side, side) for part in parts):
        return squares
    edges = torch.tensor([part.filled for part in parts], device=squares.device)
    left, top, right, bottom = (edge.view(-1, 1) for edge in edges.unbind(1))
    steps = torch.arange(side, device=squares.device)
    columns, rows = (steps >= left) & (steps < right), (steps >= top) & (steps < bottom)
    colour = torch.tensor(padding, dtype=torch.uint8, device=squares.device)
    return torch.where((rows[:, :, None] & columns[:, None, :])[..., None], squares, colour)


@contextlib.contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """Multiply matrices in float32 proper, whatever was set: without TF32 and autocast."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
