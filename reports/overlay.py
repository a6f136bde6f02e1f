"""Draw pictures of one image: its attention as heat over it, and the boxes on it.

Crops are drawn as solid orange lines and numbered in the order of selection, the ground truth as
dashed white lines. Both have a dark edge, so that they show on any photograph, in colour or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_CROP = (255, 158, 27)
_TRUTH = (255, 255, 255)
_EDGE = (0, 0, 0)
_Corners = tuple[float, float, float, float]


def draw_attention(
    image: NDArray[np.uint8],
    attention: NDArray[np.floating[Any]],
    boxes: NDArray[Any],
    truth: NDArray[Any],
    side: int = 288,
) -> NDArray[np.uint8]:
    """Return the image under its attention, with boxes: uint8 (side, side, 3).

    image: uint8 (S, S, 3).
    attention: (S, S) in any positive scale; its peak gets the brightest colour.
    boxes: the crops, (k, 4): x0, y0, x1, y1 in pixels of the image, half-open.
    truth: the ground-truth boxes, likewise.
    """
    picture = _resize(heat(image, attention), side)
    return _with_boxes(picture, boxes, truth, side / image.shape[0])


def draw_boxes(
    image: NDArray[np.uint8], boxes: NDArray[Any], truth: NDArray[Any], side: int = 288
) -> NDArray[np.uint8]:
    """Return the image with boxes: uint8 (side, side, 3). It takes what `draw_attention` takes."""
    return _with_boxes(_resize(image, side), boxes, truth, side / image.shape[0])


def draw_patches(
    image: NDArray[np.uint8], chosen: NDArray[np.bool_], side: int = 288
) -> NDArray[np.uint8]:
    """Return the image with all but its chosen pixels darkened and grey: uint8 (side, side, 3).

    image: uint8 (S, S, 3). chosen: bool (S, S); an orange line runs along their edge.
    """
    grey = image.astype(np.float64).mean(axis=2, keepdims=True)
    dark = np.rint(0.3 * np.broadcast_to(grey, image.shape)).astype(np.uint8)
    mixed = np.where(chosen[..., None], image, dark)
    scaled = np.asarray(_resize(mixed, side)).copy()
    scaled[_edge(chosen, side)] = _CROP
    return scaled


def _edge(chosen: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Return the chosen pixels of a picture of `side` that have others within two pixels."""
    place = np.arange(side) * len(chosen) // side
    large = chosen[np.ix_(place, place)]
    around = np.pad(large, 2, mode="edge")
    shifts = [(0, 2), (4, 2), (2, 0), (2, 4)]
    inner = np.logical_and.reduce([around[y : y + side, x : x + side] for y, x in shifts])
    return np.asarray(large & ~inner)


def heat(image: NDArray[np.uint8], attention: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return the image darkened, with the colour map inferno over it: uint8 (S, S, 3).

    The higher the attention, the brighter and the more opaque is the colour.
    """
    from matplotlib import colormaps

    peak = float(attention.max())
    level = np.clip(attention / peak, 0, 1) if peak > 0 else np.zeros_like(attention)
    grey = image.astype(np.float64).mean(axis=2, keepdims=True)
    base = 0.55 * (0.6 * image + 0.4 * grey)
    colour = 255 * colormaps["inferno"](0.25 + 0.75 * level)[..., :3]
    opacity = 0.9 * np.sqrt(level)[..., None]
    mixed: NDArray[np.uint8] = np.rint((1 - opacity) * base + opacity * colour).astype(np.uint8)
    return mixed


def _resize(image: NDArray[np.uint8], side: int) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(image)).resize(
        (side, side), Image.Resampling.BICUBIC
    )


def _with_boxes(
    picture: Image.Image, boxes: NDArray[Any], truth: NDArray[Any], scale: float
) -> NDArray[np.uint8]:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(picture)
    for box in np.asarray(truth).reshape(-1, 4):
        _dashed(pen, _corners(box, scale))
    crops = np.asarray(boxes).reshape(-1, 4)
    for i, box in enumerate(crops, start=1):
        _solid(pen, _corners(box, scale), str(i) if len(crops) > 1 else "")
    drawn: NDArray[np.uint8] = np.asarray(picture)
    return drawn


def _corners(box: NDArray[Any], scale: float) -> _Corners:
    """Return the outermost pixels of a half-open box in the drawn picture: x0, y0, x1, y1."""
    x0, y0, x1, y1 = (float(edge) * scale for edge in box)
    # A box that is smaller than a pixel of the picture is still a pixel in it.
    return round(x0), round(y0), max(round(x1) - 1, round(x0)), max(round(y1) - 1, round(y0))


def _solid(pen: ImageDraw.ImageDraw, corners: _Corners, number: str) -> None:
    pen.rectangle(corners, outline=_EDGE, width=5)
    # Pillow refuses a rectangle whose ends have crossed, as those of a tiny box would within.
    x0, y0, x1, y1 = corners
    if x1 - x0 > 4 and y1 - y0 > 4:
        pen.rectangle((x0 + 1, y0 + 1, x1 - 1, y1 - 1), outline=_CROP, width=3)
    if number:
        pen.rectangle((x0, y0, x0 + 14, y0 + 15), fill=_EDGE)
        pen.text((x0 + 4, y0 + 1), number, fill=_CROP)


def _dashed(pen: ImageDraw.ImageDraw, corners: _Corners) -> None:
    x0, y0, x1, y1 = corners
    pen.rectangle(corners, outline=_EDGE, width=3)
    for start in range(int(x0), int(x1), 10):
        for edge in (y0 + 1, y1 - 1):
            pen.line([(start, edge), (min(start + 5, x1), edge)], fill=_TRUTH, width=2)
    for start in range(int(y0), int(y1), 10):
        for edge in (x0 + 1, x1 - 1):
            pen.line([(edge, start), (edge, min(start + 5, y1))], fill=_TRUTH, width=2)
