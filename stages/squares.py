"""One decode, every square size that a pass needs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..models.preprocessing import squash
from .pixels import decode


def load_squares(
    path: str, sizes: Iterable[int], digest: str | None = None
) -> dict[int, NDArray[np.uint8]]:
    """The image squashed to each side: uint8 (side, side, 3), each resized from the original.

    digest: of the file's bytes when it was indexed.

    Raises:
        BadImageError: the image cannot be decoded; the message is the reason.
        A2pipeError: the file is no longer the one that was indexed.
    """
    image = decode(path, digest=digest)
    return {size: squash(image, size) for size in sizes}
