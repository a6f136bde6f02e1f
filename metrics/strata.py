"""Divide a test split by how far objects lie from the centre of their images (A², table 18)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError

SHARES = (0.01, 0.05, 0.10)
"""These are shares of all test images: the strata of table 18 hold 58, 290 and 580 of 5,794."""


def centre_distances(
    boxes: Sequence[NDArray[Any]], sizes: NDArray[Any], canvas: float | None = 224
) -> NDArray[np.float64]:
    """Return the distance from the centre of each object to the centre of its image, float64 (N,).

    boxes: for each image (k, 4), x0, y0, x1, y1 in pixels of the original; several boxes count as
    one object, the smallest box around them. sizes: (N, 2), width and height in pixels of the
    original. canvas: side in pixels of the square that the image is squashed to before distances
    are measured; None measures in pixels of the original.

    Raises A2pipeError for an image without a box or without a size.
    """
    if not all(map(len, boxes)):
        raise A2pipeError(
            "Strata by distance need a box of every test image; give the dataset's boxes."
        )
    around = np.array([[*box[:, :2].min(0), *box[:, 2:].max(0)] for box in boxes]).reshape(-1, 4)
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    offset = (around[:, :2] + around[:, 2:]) / 2 - sizes / 2
    if not (sizes > 0).all():
        raise A2pipeError(
            "Strata by distance need the size of every test image: leave bad ones out."
        )
    scaled = offset if canvas is None else offset * canvas / sizes
    return np.asarray(np.hypot(scaled[:, 0], scaled[:, 1]), np.float64)


def distance_strata(
    distances: NDArray[Any], ids: Sequence[str], shares: Sequence[float] = SHARES
) -> dict[str, NDArray[np.int64]]:
    """Return the positions of the farthest and of the nearest ceil(q N) images for each share q.

    distances: (N,). ids: names of the images, which order images at equal distances; numbers are
    ordered as numbers. The keys are "top1" and "bottom1" for a share of 0.01. All strata run from
    near to far.
    """
    # One order for both ends, so that no image at an equal distance is in both or in neither.
    order = np.array(
        sorted(range(len(ids)), key=lambda i: (float(distances[i]), _number(ids[i]), ids[i])),
        np.int64,
    )
    strata: dict[str, NDArray[np.int64]] = {}
    for share in shares:
        size = stratum_size(len(order), share)
        name = f"{100 * share:g}"
        strata[f"top{name}"] = order[len(order) - size :]
        strata[f"bottom{name}"] = order[:size]
    return strata


def stratum_size(n: int, share: float) -> int:
    """Return ceil(share * n), at most n."""
    # In floats 0.07 * 100 is a rounding above 7, and ceil alone would make 8 of it.
    return min(n, math.ceil(round(share * n, 9)))


def _number(text: str) -> float:
    """Return a text of digits as a number, and infinity for any other, which comes last."""
    return float(text) if text.isdecimal() else math.inf
