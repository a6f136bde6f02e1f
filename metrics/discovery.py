"""Measure how well maps find objects as one box each (CorLoc), or segment the foreground.

Maps are (B, h, w) over the patches, in any unit in which more is more likely an object. A map that
is not finite has no answer: its masks and boxes are empty.

CorLoc is that of Siméoni and others, Localizing Objects with Self-Supervised Transformers and no
Labels (LOST), BMVC 2021; the foreground is thresholded as in LaSt-ViT (arXiv 2602.22394) and as in
DINO (arXiv 2104.14294).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

FOUND = 0.5
"""A box has found an object if its intersection over union with the object's box is at least so."""
MASS = 0.6
ROUNDING = 1e-9
"""Shares of mass that differ by less are equal, so that rounding does not decide over a patch."""
IGNORED = 255
"""Pixels of a mask with this value do not count."""


def above_mean_and_std(maps: Floats) -> Mask:
    """Return the cells whose value is more than the map's mean + 1 standard deviation, (B, h, w).

    The deviation is that over all n cells, with n in the denominator. If no cell is, as in a map
    of equal values, the first largest one is returned. The result is the same for every a·map + b
    with a > 0, up to rounding.
    """
    flat = maps.reshape(len(maps), -1)
    found = flat > flat.mean(axis=1, keepdims=True) + flat.std(axis=1, keepdims=True)
    return _at_least_the_peak(found, flat).reshape(maps.shape)


def largest_mass(maps: Floats) -> Mask:
    """Return the largest cells that together hold 60 % of the map's sum, (B, h, w).

    maps: 0 or more. As in DINO, the cells that are left out are as many of the smallest as hold
    40 % at most. Of equal cells the first in row-major order is taken first.
    """
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(-flat, axis=1, kind="stable")[:, ::-1]
    smallest_first = np.take_along_axis(flat, order, axis=1)
    with np.errstate(invalid="ignore"):
        held = smallest_first.cumsum(axis=1) / smallest_first.sum(axis=1, keepdims=True)
    found = np.zeros(flat.shape, np.bool_)
    np.put_along_axis(found, order, held > 1 - MASS + ROUNDING, axis=1)
    return _at_least_the_peak(found, flat).reshape(maps.shape)


THRESHOLDS: dict[str, Callable[[Floats], Mask]] = {
    "mean+std": above_mean_and_std,
    "top60": largest_mass,
}
"""They are the rules by which a map becomes a foreground, by the names that tables show."""


def peak_components(foreground: Mask, maps: Floats) -> Mask:
    """Return the part of each foreground that is connected with the map's largest cell, (B, h, w).

    Cells are connected by their sides, not by their corners. Of equal cells the first in row-major
    order is the largest. Where that cell is no foreground, nothing is.
    """
    from scipy.ndimage import label

    found = np.zeros_like(foreground)
    for part, mask, values in zip(found, foreground, maps, strict=True):
        if mask.any():
            components, _ = label(mask)
            peak = np.unravel_index(values.argmax(), values.shape)
            part[:] = mask & (components == components[peak])
    return found


def bounding_boxes(masks: Mask) -> Ints:
    """Return the box around each mask, int64 (B, 4): x0, y0, x1, y1 in cells, half-open.

    An empty mask has the box 0, 0, 0, 0.
    """
    boxes = np.zeros((len(masks), 4), np.int64)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def box_iou(box: NDArray[Any], boxes: NDArray[Any]) -> Floats:
    """Return the intersection over union of one box (4,) with each of several (k, 4): (k,).

    Boxes are x0, y0, x1, y1, half-open. It is 0 where either box has no area.
    """
    one = np.asarray(box, np.float64)
    others = np.asarray(boxes, np.float64).reshape(-1, 4)
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = _area(np.concatenate([low, high], axis=1))
    union = _area(one[None]) + _area(others) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)


def found_objects(found: NDArray[Any], truth: Sequence[NDArray[Any]]) -> Floats:
    """Return 1 where an image's box has found one of its objects and else 0, (B,); NaN without any.

    found: (B, 4), one box an image. truth: one array (k, 4) for each image, in the same pixels; k
    may be 0. CorLoc is the mean over the images with objects.
    """
    best = [
        box_iou(box, boxes).max() if len(boxes) else np.nan
        for box, boxes in zip(found, truth, strict=True)
    ]
    overlap = np.array(best, np.float64)
    return np.where(np.isnan(overlap), np.nan, (overlap >= FOUND).astype(np.float64))


def foreground_iou(predicted: Mask, truth: NDArray[np.uint8]) -> float:
    """Return the intersection over union of one image's foreground with its mask; NaN without any.

    predicted: bool (h, w). truth: (h, w), 0 for background, 255 for pixels that do not count,
    anything else for foreground. NaN is returned if the mask has no foreground that counts.
    """
    counted = truth != IGNORED
    objects = counted & (truth != 0)
    if not objects.any():
        return float("nan")
    shared = (predicted & objects).sum()
    return float(shared / ((predicted & counted) | objects).sum())


def _at_least_the_peak(found: Mask, flat: Floats) -> Mask:
    """Return the cells (B, n) with the largest added where there are none; none where NaN is."""
    finite = np.isfinite(flat).all(axis=1)
    alone = np.flatnonzero(finite & ~found.any(axis=1))
    found[alone, flat[alone].argmax(axis=1)] = True
    found[~finite] = False
    return found


def _area(boxes: Floats) -> Floats:
    """Return the area of each box (k, 4), 0 for one that ends before it begins."""
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1))
