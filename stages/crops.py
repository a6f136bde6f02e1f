"""Crops are cut from an original: whole canvases, or boxes of one in the original's detail."""

from dataclasses import dataclass, replace
from math import floor

import numpy as np
from numpy.typing import NDArray

from ..models.preprocessing import resize_part, resize_then_cut
from .geometry import Canvas, Corners

PADDING = (124, 116, 104)
"""This RGB stands where an image fills nothing. It is the mean of ImageNet in 8 bits, which
normalisation brings to about zero, so that padding is no signal of its own."""


@dataclass(frozen=True)
class Crop:
    """A Crop is a box to be cut from an original.

    canvas: how the original becomes a square. box: x0, y0, x1, y1 in pixels of that square.
    size: side in pixels to which the crop is resized.
    """

    canvas: Canvas
    box: Corners
    size: int

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what the box shows of an original: uint8 (size, size, 3).

        image: the upright original, uint8 RGB (height, width, 3). Resizing is bilinear, or bicubic
        where the geometry is, and antialiased where it shrinks. Pixels that lie wholly outside the
        box have no part in it, but for a whole canvas of a geometry that resizes the image first.
        A box that reaches over the edge of a letterboxed image shows padding there, from the
        nearest whole pixel on.
        """
        width, height = image.shape[1], image.shape[0]
        whole = replace(self.canvas, side=self.size).resized_cut(width, height)
        if whole is not None and self.box == (0, 0, self.canvas.side, self.canvas.side):
            return resize_then_cut(image, whole.size, whole.corner, self.size, whole.bicubic)
        frame, bicubic = self.canvas.frame(width, height), self.canvas.bicubic
        inside = _overlap(self.box, frame.filled)
        if inside == self.box:
            return resize_part(image, frame.to_original(inside), self.size, self.size, bicubic)
        square = np.full((self.size, self.size, 3), PADDING, np.uint8)
        if inside[0] < inside[2] and inside[1] < inside[3]:
            x0, x1 = _pixels_of(inside[0::2], self.box[0::2], self.size)
            y0, y1 = _pixels_of(inside[1::2], self.box[1::2], self.size)
            square[y0:y1, x0:x1] = resize_part(image, frame.to_original(inside), x1 - x0, y1 - y0)
        return square


def whole_canvas(canvas: Canvas) -> Crop:
    """Return the crop that is the whole canvas in its own size."""
    return Crop(canvas, (0, 0, canvas.side, canvas.side), canvas.side)


def _overlap(box: Corners, other: Corners) -> Corners:
    x0, y0 = max(box[0], other[0]), max(box[1], other[1])
    return x0, y0, min(box[2], other[2]), min(box[3], other[3])


def _pixels_of(part: tuple[int, ...], whole: tuple[int, ...], size: int) -> tuple[int, int]:
    """Return where a part of a box's axis lies in `size` pixels: rounded, at least one pixel."""
    start, stop = (floor((edge - whole[0]) * size / (whole[1] - whole[0]) + 0.5) for edge in part)
    start = min(start, size - 1)
    return start, max(stop, start + 1)
