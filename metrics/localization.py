"""Measure how well maps and crops find the object: mass in box, hit, crop coverage, crop hit.

Maps are (B, h, w), over the pixels of the canvas or over the patches, and each sums to 1. The
foreground is the union of an image's boxes: a mask of the same cells, or the share of each cell
that the boxes cover. An image has no answer if its foreground is empty, because it has no box or
its boxes hold no cell's centre; every measure is NaN for it.

Conventions and published values are in A², table 3.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

PEAK_TOLERANCE = 16 * float(np.finfo(np.float64).eps)
"""Pixels whose value is within this share of a map's largest one count as peaks too. Bilinear
upsampling makes plateaus, whose pixels are each off by up to about six roundings."""

CROP_HIT = 0.5
"""Crops that cover this share of the foreground, or more, count as having found the object."""


def foreground_masks(boxes: Sequence[NDArray[Any]], size: int) -> Mask:
    """Return the union of each image's boxes as a mask, bool (B, size, size).

    boxes: one array (k, 4) for each image, x0, y0, x1, y1 in pixels of the canvas; k may be 0.
    size: side of the canvas in pixels. A pixel is in a box if its centre (j + 1/2, i + 1/2) lies in
    the half-open box.
    """
    masks = np.zeros((len(boxes), size, size), dtype=np.bool_)
    for mask, image in zip(masks, boxes, strict=True):
        for x0, y0, x1, y1 in _pixels(image, size).tolist():
            mask[y0:y1, x0:x1] = True
    return masks


def covers_a_centre(boxes: NDArray[Any], size: int) -> bool:
    """Return whether the boxes (k, 4) of one image hold the centre of any pixel of the canvas."""
    pixels = _pixels(boxes, size)
    return bool((pixels[:, 2:] > pixels[:, :2]).all(axis=1).any())


def patch_centres(boxes: Sequence[NDArray[Any]], canvas: int, grid: int) -> Mask:
    """Return which patches have their centre in a box, bool (B, grid, grid).

    boxes: as for `foreground_masks`. canvas: side in pixels. grid: patches per side.
    """
    return foreground_masks([_in_cells(image, canvas, grid) for image in boxes], grid)


def patch_overlap(boxes: Sequence[NDArray[Any]], canvas: int, grid: int) -> Floats:
    """Return the share of each patch's area that the boxes cover, (B, grid, grid) in [0, 1].

    It is exact, even where boxes overlap. Arguments as for `patch_centres`.
    """
    covered = np.zeros((len(boxes), grid, grid))
    for patches, image in zip(covered, boxes, strict=True):
        patches[:] = _covered(_in_cells(image, canvas, grid), grid)
    return covered


def mass_in_box(maps: Floats, foreground: Mask | Floats) -> Floats:
    """Return the share of each map's attention on the foreground, (B,) in [0, 1] or NaN.

    maps: (B, h, w), each summing to 1. foreground: (B, h, w), a mask or the share of each cell that
    is foreground.
    """
    return _nan_without_foreground(
        (maps * foreground).reshape(len(maps), -1).sum(axis=1), foreground
    )


def hit(maps: Floats, foreground: Mask | Floats) -> Floats:
    """Return 1 where a map's peak lies on the foreground and else 0, (B,) or NaN.

    Arguments as for `mass_in_box`. Of several peaks (see PEAK_TOLERANCE) the first in row-major
    order counts. If the foreground covers the peak's cell in part, the result is that part.
    """
    flat = maps.reshape(len(maps), -1)
    largest = flat.max(axis=1, keepdims=True)
    peaks = (flat >= largest * (1 - PEAK_TOLERANCE)).argmax(axis=1)
    found = foreground.reshape(len(foreground), -1)[np.arange(len(foreground)), peaks]
    return _nan_without_foreground(found.astype(np.float64), foreground)


def crop_coverage(crops: NDArray[Any], masks: Mask) -> Floats:
    """Return the share of the foreground's pixels that the crops cover, (B,) in [0, 1] or NaN.

    crops: integer (k, B, 4), the k crops of each image, x0, y0, x1, y1 in pixels of the canvas; a
    pixel in several crops counts once. masks: foreground, bool (B, size, size).
    """
    by_image = list(np.asarray(crops).swapaxes(0, 1))
    covered = (foreground_masks(by_image, masks.shape[-1]) & masks).sum(axis=(1, 2))
    return _nan_without_foreground(covered / np.maximum(masks.sum(axis=(1, 2)), 1), masks)


def crop_hit(coverage: Floats) -> Floats:
    """Return 1 where crops cover at least half of the foreground and else 0; NaN stays NaN.

    coverage: (B,), as returned by `crop_coverage`.
    """
    return np.where(np.isnan(coverage), np.nan, (coverage >= CROP_HIT).astype(np.float64))


def _pixels(boxes: NDArray[Any], size: int) -> NDArray[np.int64]:
    """Return boxes (k, 4) as half-open ranges of the pixels whose centres they cover."""
    edges = np.ceil(np.asarray(boxes, dtype=np.float64).reshape(-1, 4) - 0.5)
    return np.clip(edges, 0, size).astype(np.int64)


def _nan_without_foreground(values: Floats, foreground: Mask | Floats) -> Floats:
    """Return the values (B,) with NaN for every image whose foreground is empty."""
    return np.where(foreground.any(axis=(1, 2)), values, np.nan)


def _in_cells(boxes: NDArray[Any], canvas: int, grid: int) -> Floats:
    """Convert boxes (k, 4) from pixels of the canvas to units of patches."""
    return np.asarray(np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * grid / canvas)


def _covered(boxes: Floats, grid: int) -> Floats:
    """Return the share of each cell of the grid that the boxes (k, 4) cover, (grid, grid)."""
    # The canvas is cut at every edge of a box or cell, so every strip of it is wholly in or out of
    # a box, and overlaps count once.
    x_cuts, x_lengths = _strips(boxes[:, 0::2], grid)
    y_cuts, y_lengths = _strips(boxes[:, 1::2], grid)
    union = np.zeros((len(y_cuts) - 1, len(x_cuts) - 1))
    for x0, y0, x1, y1 in np.clip(boxes, 0, grid):
        rows = slice(*np.searchsorted(y_cuts, (y0, y1)))
        union[rows, slice(*np.searchsorted(x_cuts, (x0, x1)))] = 1
    return np.minimum(y_lengths @ union @ x_lengths.T, 1)


def _strips(edges: Floats, grid: int) -> tuple[Floats, Floats]:
    """Cut an axis at all edges and grid lines; return the cuts and each cell's length in strips."""
    cuts = np.unique(np.concatenate([np.arange(grid + 1), np.clip(edges, 0, grid).ravel()]))
    cell = np.floor((cuts[1:] + cuts[:-1]) / 2)
    return cuts, np.diff(cuts) * (cell == np.arange(grid)[:, None])
