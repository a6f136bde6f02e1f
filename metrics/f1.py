"""Compute macro F1 by scikit-learn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError


def macro_f1(labels: NDArray[Any], predictions: NDArray[Any]) -> float:
    """Return the mean over classes of 2 PR / (P + R), in [0, 1], with P precision and R recall.

    labels, predictions: (N,). Every class that occurs among either weighs the same, and one that is
    never right counts as 0. Raises A2pipeError if there are no samples, and ValueError if the
    arrays differ in length.
    """
    from sklearn.metrics import f1_score

    if not np.size(labels):
        raise A2pipeError("There is no sample to score: the split is empty.")
    return float(f1_score(labels, predictions, average="macro", zero_division=0))
