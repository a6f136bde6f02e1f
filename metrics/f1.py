"""Macro F1, by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError


def macro_f1(labels: NDArray[Any], predictions: NDArray[Any]) -> float:
    """Mean over classes of 2 PR / (P + R), each class weighing the same, in [0, 1].

    Over the classes that occur among labels or predictions; one that is never right has 0.
    Raises A2pipeError if there are no samples, ValueError if the arrays differ in length.
    """
    from sklearn.metrics import f1_score

    if not np.size(labels):
        raise A2pipeError("There is no sample to score: the split is empty.")
    return float(f1_score(labels, predictions, average="macro", zero_division=0))
