"""How well maps and crops find the object: mass in box, hit, crop coverage, crop hit.

Maps are (B, h, w), each summing to 1: over the pixels of the canvas, or over the patches. The
foreground is the union of an image's boxes, as a mask of the same cells or as the share of each
cell that it covers. An image whose foreground is empty (no box, or boxes that hold no cell's
centre) has no answer: it is NaN in every measure.
Conventions and targets: A², table 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

PEAK_TOLERANCE = 16 * float(np.finfo(np.float64).eps)
"""Pixels within this share of a map's largest value are peaks too: bilinear upsampling has
plateaus, whose pixels are off by up to about six roundings each."""

CROP_HIT = 0.5
"""Coverage from which a crop counts as having found the object."""


def foreground_masks(boxes: Sequence[NDArray[Any]], size: int) -> Mask:
    """Union of each image's boxes as a mask, (B, size, size).

    boxes: one array (k, 4) an image, x0, y0, x1, y1 in pixels of the canvas, k may be 0. A pixel is
        inside if its centre (j + 1/2, i + 1/2) lies in the half-open box.
    """
    masks = np.zeros((len(boxes), size, size), dtype=np.bool_)
    for mask, image in zip(masks, boxes, strict=True):
        for x0, y0, x1, y1 in _pixels(image, size).tolist():
            mask[y0:y1, x0:x1] = True
    return masks


def covers_a_centre(boxes: NDArray[Any], size: int) -> bool:
    """Whether `foreground_masks` of these boxes (k, 4) has a pixel."""
    pixels = _pixels(boxes, size)
    return bool((pixels[:, 2:] > pixels[:, :2]).all(axis=1).any())


def patch_centres(boxes: Sequence[NDArray[Any]], canvas: int, grid: int) -> Mask:
    """Patches whose centre lies in a box, (B, grid, grid); boxes as for `foreground_masks`."""
    return foreground_masks([_in_cells(image, canvas, grid) for image in boxes], grid)


def patch_overlap(boxes: Sequence[NDArray[Any]], canvas: int, grid: int) -> Floats:
    """Share of each patch's area that the union of the boxes covers, (B, grid, grid) in [0, 1].

    Exact, also for boxes that overlap: the canvas is cut at every edge of a box or patch.
    """
    covered = np.zeros((len(boxes), grid, grid))
    for patches, image in zip(covered, boxes, strict=True):
        patches[:] = _covered(_in_cells(image, canvas, grid), grid)
    return covered


def mass_in_box(maps: Floats, foreground: Mask | Floats) -> Floats:
    """Share of each map's attention that lies on the foreground, (B,) in [0, 1] or NaN.

    foreground: (B, h, w), a mask or the share of each cell that is foreground.
    """
    return _nan_without_foreground(
        (maps * foreground).reshape(len(maps), -1).sum(axis=1), foreground
    )


def hit(maps: Floats, foreground: Mask | Floats) -> Floats:
    """1 where the map's peak lies on the foreground, else 0, (B,) or NaN.

    Of several peaks (see PEAK_TOLERANCE) the first in row-major order counts. Of a cell that the
    foreground covers in part, that part.
    """
    flat = maps.reshape(len(maps), -1)
    largest = flat.max(axis=1, keepdims=True)
    peaks = (flat >= largest * (1 - PEAK_TOLERANCE)).argmax(axis=1)
    found = foreground.reshape(len(foreground), -1)[np.arange(len(foreground)), peaks]
    return _nan_without_foreground(found.astype(np.float64), foreground)


def crop_coverage(crops: NDArray[Any], masks: Mask) -> Floats:
    """Share of the foreground's pixels that the union of the crops covers, (B,) in [0, 1] or NaN.

    crops: integer (k, B, 4), the k crops of each image on the canvas.
    """
    by_image = list(np.asarray(crops).swapaxes(0, 1))
    covered = (foreground_masks(by_image, masks.shape[-1]) & masks).sum(axis=(1, 2))
    return _nan_without_foreground(covered / np.maximum(masks.sum(axis=(1, 2)), 1), masks)


def crop_hit(coverage: Floats) -> Floats:
    """1 where the crops cover at least half of the foreground, else 0; NaN stays NaN."""
    return np.where(np.isnan(coverage), np.nan, (coverage >= CROP_HIT).astype(np.float64))


def _pixels(boxes: NDArray[Any], size: int) -> NDArray[np.int64]:
    """Boxes (k, 4) as half-open ranges of the pixels whose centres they cover."""
    edges = np.ceil(np.asarray(boxes, dtype=np.float64).reshape(-1, 4) - 0.5)
    return np.clip(edges, 0, size).astype(np.int64)


def _nan_without_foreground(values: Floats, foreground: Mask | Floats) -> Floats:
    """NaN where the foreground is empty."""
    return np.where(foreground.any(axis=(1, 2)), values, np.nan)


def _in_cells(boxes: NDArray[Any], canvas: int, grid: int) -> Floats:
    """Boxes (k, 4) in pixels of the canvas, in units of patches."""
    return np.asarray(np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * grid / canvas)


def _covered(boxes: Floats, grid: int) -> Floats:
    """Share of each cell of the grid that the union of the boxes (k, 4) covers, (grid, grid)."""
    x_cuts, x_lengths = _strips(boxes[:, 0::2], grid)
    y_cuts, y_lengths = _strips(boxes[:, 1::2], grid)
    union = np.zeros((len(y_cuts) - 1, len(x_cuts) - 1))
    for x0, y0, x1, y1 in np.clip(boxes, 0, grid):
        rows = slice(*np.searchsorted(y_cuts, (y0, y1)))
        union[rows, slice(*np.searchsorted(x_cuts, (x0, x1)))] = 1
    return np.minimum(y_lengths @ union @ x_lengths.T, 1)


def _strips(edges: Floats, grid: int) -> tuple[Floats, Floats]:
    """An axis cut at every edge and grid line: the cuts, and each cell's length in every strip."""
    cuts = np.unique(np.concatenate([np.arange(grid + 1), np.clip(edges, 0, grid).ravel()]))
    cell = np.floor((cuts[1:] + cuts[:-1]) / 2)
    return cuts, np.diff(cuts) * (cell == np.arange(grid)[:, None])
