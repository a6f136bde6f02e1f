"""Say whether a map's highest patch lies in an object's box (LaSt-ViT, arXiv 2602.22394).

Boxes are in pixels of the canvas, clipped to it; a box that the canvas does not show has no area
and lies on the edge next to it. The canvas is divided into grid x grid patches.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_AREA = 0.25
"""The released evaluation takes images whose box covers a smaller share of the image than this."""


def are_small(boxes: NDArray[Any], sizes: NDArray[Any]) -> Mask:
    """Return which boxes cover strictly less than a quarter of their image: bool (n,).

    boxes: (n, 4) of x0, y0, x1, y1, and sizes: (n, 2) of width and height, both in pixels of the
    originals, as annotations give them.
    """
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    areas = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    return np.asarray(areas < MOST_AREA * np.asarray(sizes, np.float64).prod(axis=1))


def touched_patches(boxes: NDArray[Any], canvas: int, grid: int) -> Mask:
    """Return the patches from that of a box's first corner to that of its last: (n, grid, grid).

    This is the released rule. Both ends are inclusive, so that a box which ends on the border of a
    patch owns the next one as well, and one that the canvas cuts away on its left or upper side
    owns the first column or row. One that is cut away on the right or lower side owns nothing.

    boxes: (n, 4), one an image. canvas: side in pixels.
    """
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    # By the side of a patch, as the released code divides, so that no edge is rounded otherwise.
    cells = np.floor(corners / (canvas / grid))[:, :, None]
    steps = np.arange(grid)
    columns = (cells[:, 0] <= steps) & (steps <= cells[:, 2])
    rows = (cells[:, 1] <= steps) & (steps <= cells[:, 3])
    return np.asarray(rows[:, :, None] & columns[:, None, :])


def point_in_box(maps: NDArray[Any], inside: Mask) -> Floats:
    """Return 1 where the highest patch of a map is inside and else 0: float64 (n,).

    Of several highest patches the first in row-major order counts. A map that is not finite has no
    answer, which is NaN. maps: (n, grid, grid). inside: bool, of the same shape.
    """
    flat = maps.reshape(len(maps), -1)
    highest = flat.argmax(axis=1)
    found = inside.reshape(len(inside), -1)[np.arange(len(flat)), highest].astype(np.float64)
    return np.where(np.isfinite(flat).all(axis=1), found, np.nan)


def share_inside(inside: Mask) -> Floats:
    """Return the share of patches inside, which is what a random patch scores: float64 (n,)."""
    return np.asarray(inside.reshape(len(inside), -1).mean(axis=1))
