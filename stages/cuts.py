"""Squares cut from an original: whole canvases, and boxes of a canvas in the original's detail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import floor

import numpy as np

from ..models.preprocessing import resize_part
from .geometry import Canvas, Corners
from .pixels import Pixels, decode

PADDING = (124, 116, 104)
"""RGB of what an image does not fill: the mean of ImageNet in 8 bits, which normalisation brings to
about zero, so that padding is no signal of its own."""


@dataclass(frozen=True)
class Cut:
    """A box of a canvas, in its pixels, to be cut from the original and resized to size x size."""

    canvas: Canvas
    box: Corners
    size: int


def canvas_cut(canvas: Canvas) -> Cut:
    """The whole canvas in its own size."""
    return Cut(canvas, (0, 0, canvas.side, canvas.side), canvas.side)


def cut(image: Pixels, wanted: Cut) -> Pixels:
    """What the box shows of the original: uint8 (size, size, 3).

    image: the upright original, uint8 RGB (height, width, 3). Bilinear, antialiased where it
    shrinks. Pixels that lie wholly outside the box have no part in it. A box that reaches over the
    edge of a letterboxed image shows padding there, from the nearest whole pixel of the cut on.
    """
    frame = wanted.canvas.frame(image.shape[1], image.shape[0])
    inside = _overlap(wanted.box, frame.filled)
    if inside == wanted.box:
        return resize_part(image, frame.to_original(inside), wanted.size, wanted.size)
    square = np.full((wanted.size, wanted.size, 3), PADDING, np.uint8)
    if inside[0] < inside[2] and inside[1] < inside[3]:
        x0, x1 = _place(inside[0::2], wanted.box[0::2], wanted.size)
        y0, y1 = _place(inside[1::2], wanted.box[1::2], wanted.size)
        square[y0:y1, x0:x1] = resize_part(image, frame.to_original(inside), x1 - x0, y1 - y0)
    return square


def load_cuts(path: str, wanted: Iterable[Cut], digest: str | None = None) -> dict[Cut, Pixels]:
    """Every cut that a pass needs, each from the original: one decode, and one more for each canvas
    that is cut from a draft.

    digest: of the file's bytes when it was indexed.

    Raises:
        BadImageError: the image cannot be decoded; the message is the reason.
        A2pipeError: the file is no longer the one that was indexed.
    """
    groups: dict[Canvas | None, list[Cut]] = defaultdict(list)
    for each in wanted:
        groups[each.canvas if each.canvas.draft else None].append(each)
    found: dict[Cut, Pixels] = {}
    for canvas, cuts in (groups or {None: []}).items():
        image = decode(path, digest=digest, least=canvas.least if canvas else None)
        found |= {each: cut(image, each) for each in cuts}
    return found


def load_canvas(path: str, canvas: Canvas) -> Pixels:
    """The image on a canvas: uint8 (side, side, 3). Raises as `load_cuts`."""
    whole = canvas_cut(canvas)
    return load_cuts(path, [whole])[whole]


def _overlap(box: Corners, other: Corners) -> Corners:
    x0, y0 = max(box[0], other[0]), max(box[1], other[1])
    return x0, y0, min(box[2], other[2]), min(box[3], other[3])


def _place(part: tuple[int, ...], whole: tuple[int, ...], size: int) -> tuple[int, int]:
    """Where a part of a box's axis comes to lie in `size` pixels: rounded, at least one of them."""
    start, stop = (floor((edge - whole[0]) * size / (whole[1] - whole[0]) + 0.5) for edge in part)
    start = min(start, size - 1)
    return start, max(stop, start + 1)
