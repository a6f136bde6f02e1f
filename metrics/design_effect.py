"""The design effect says how much less samples count because they share images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def design_effect(residuals: Floats, images: NDArray[Any] | None) -> float:
    """Return how many times larger the variance of a mean is because samples share images.

    It is the variance over drawing images, which sums the residuals of an image before it squares
    them, divided by that over drawing samples (Kish, "Survey Sampling", 1965). It is 1 if no image
    is shared, and at most what it would be if the samples of an image were always right or wrong
    together, which is also the result if nothing varies.

    residuals: (N,), each sample's 0 or 1 less the expected share. images: (N,), equal for samples
    of one image; None if no image is shared.
    """
    if images is None or not len(residuals):
        return 1.0
    _, image, members = np.unique(images, return_inverse=True, return_counts=True)
    together = float((members**2).sum() / len(residuals))
    apart = float((residuals**2).sum())
    if apart == 0:
        return together
    by_image = np.bincount(image, weights=residuals)
    # An estimate below 1 would make samples count for more than they are, and an estimate from few
    # images may lie above what is possible.
    return float(np.clip((by_image**2).sum() / apart, 1.0, together))
