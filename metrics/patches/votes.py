"""Mark the patches that get many votes of an image, as LaSt-ViT's figures do."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..localization import Mask

LEVELS = (50, 30, 20)
"""Per cent of the largest number of votes in an image, above which the figures mark patches."""


def marked(votes: NDArray[Any], percent: int) -> Mask:
    """Return which patches have more than a share of their image's largest votes, strictly.

    votes: whole numbers, (B, N). percent: the share, in per cent. The result is bool (B, N).
    """
    # In whole numbers, as 0.3 times the largest would be rounded.
    counts = np.asarray(votes, np.int64)
    return np.asarray(100 * counts > percent * counts.max(axis=1, keepdims=True))
