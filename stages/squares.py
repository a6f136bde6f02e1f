"""One decode, every square size that a pass needs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..models.preprocessing import squash
from .pixels import decode


def load_squares(path: str, sizes: Iterable[int]) -> dict[int, NDArray[np.uint8]]:
    """The image squashed to each side: uint8 (side, side, 3), each resized from the original.

    Raises:
        BadImageError: the image cannot be decoded; the message is the reason.
    """
    image = decode(path)
    return {size: squash(image, size) for size in sizes}
