"""Split the patches of images into foreground and background, as LaSt-ViT's released plots do.

Arrays have a row for each image and a column for each of its N patches, row by row of the grid.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..localization import Mask

ALL, FOREGROUND, BACKGROUND = "all", "foreground", "background"


def foreground_patches(masks: Mask, grid: int) -> Mask:
    """Return which patches have more than half of their pixels in the mask: bool (B, grid * grid).

    masks: bool (B, size, size) over the pixels that the model is shown, with size a multiple of
    grid.
    """
    side = masks.shape[-1] // grid
    pixels = masks.reshape(-1, grid, side, grid, side).sum(axis=(2, 4))
    return np.asarray(2 * pixels > side * side).reshape(len(masks), grid * grid)


def normalized(scores: NDArray[Any]) -> NDArray[np.float32]:
    """Bring the scores of each image, (B, N), to [0, 1] by its smallest and largest one: float32.

    Where these two are less than 1e-8 apart, their difference counts as that.
    """
    values = np.asarray(scores, np.float32)
    least = values.min(axis=1, keepdims=True)
    span = values.max(axis=1, keepdims=True) - least
    return np.asarray((values - least) / np.maximum(span, np.float32(1e-8)))


def has_both_sides(foreground: Mask) -> Mask:
    """Return which images have both foreground and background patches: (B, N) to (B,)."""
    inside = foreground.sum(axis=1)
    return np.asarray((inside > 0) & (inside < foreground.shape[1]))


def by_side(values: NDArray[np.float32], foreground: Mask) -> dict[str, NDArray[np.float32]]:
    """Return the values (B, N) of all patches, and those of the foreground and the background.

    An image that has no patch on one of these two sides counts among all patches alone.
    """
    both = has_both_sides(foreground)
    kept, where = values[both], foreground[both]
    return {ALL: values, FOREGROUND: kept[where], BACKGROUND: kept[~where]}
