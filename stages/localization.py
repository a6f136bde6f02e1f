"""Localisation of attention maps, and of the crops placed on them, over images with boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.collection import Collection
from ..metrics.localization import (
    crop_coverage,
    crop_hit,
    foreground,
    hit,
    mass_in_box,
    mean_and_count,
    scale_boxes,
)
from .placement import attention_map
from .specs import MapSpec

MAPS_AT_ONCE = 256


def annotated(collection: Collection) -> NDArray[np.int64]:
    """Positions of the test samples (of all, where there is no test split) that have boxes."""
    has_boxes = np.array([len(boxes) > 0 for boxes in collection.boxes], bool)
    in_test = collection.splits == "test"
    return np.flatnonzero(has_boxes & (in_test if in_test.any() else True))


def boxes_on_canvas(collection: Collection, index: int, canvas: int) -> NDArray[np.float64]:
    """Ground-truth boxes (k, 4) of a sample, mapped through the same squash as its pixels."""
    width, height = collection.sizes[index]
    return scale_boxes(collection.boxes[index], width, height, canvas)


def localize(
    spec: MapSpec,
    rows: NDArray[np.float32],
    prefix: int,
    canvas: int,
    truth: list[NDArray[np.float64]],
    crops: NDArray[np.int32],
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Mass in box, hit rate and crop hit rate (A2, section 2 and Table 3).

    rows: (n, heads, tokens); truth: one (k, 4) array an image, pixels of the canvas;
    crops: (c, n, 4), may be empty. An image whose boxes cover no pixel's centre is left out.

    Returns:
        Means for the record, and the values per image beside it.
    """
    masks = foreground(truth, canvas)
    mass, peaks = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(rows), MAPS_AT_ONCE):
        part = slice(start, start + MAPS_AT_ONCE)
        maps = attention_map(spec, rows[part], prefix, canvas)
        mass[part], peaks[part] = mass_in_box(maps, masks[part]), hit(maps, masks[part])
    arrays: dict[str, NDArray[Any]] = {"mass": mass, "hit": peaks}
    mean_mass, count = mean_and_count(mass)
    content = {"n": count, "mass": mean_mass, "hit": mean_and_count(peaks)[0]}
    if len(crops):
        arrays["coverage"] = crop_coverage(crops, masks)
        content["crop_hit"] = mean_and_count(crop_hit(arrays["coverage"]))[0]
    return content, arrays
