"""Features and labels as a head's fit and predictions take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ...errors import UsageError
from .samples import Floats, check_finite, check_several_classes

PRECISIONS = (np.float64, np.float32)
"""Features of another type are converted to the first."""


def check_samples(head: Any, X: Any, y: Any) -> tuple[Floats, NDArray[Any]]:
    """Features (N, d) and class labels (N,) as arrays; a memory map of floats is not copied.

    Raises SamplesError where a feature is not finite or there are fewer than two classes, and
    scikit-learn's ValueError where the shapes are wrong.
    """
    X, y = validate_data(head, X, y, dtype=PRECISIONS, ensure_all_finite=False)
    check_classification_targets(y)
    check_finite(X)
    check_several_classes(np.unique(y))
    return X, y


def check_features(head: Any, X: Any) -> Floats:
    """Features (N, d) to predict, as wide as those of the fit. Raises SamplesError as above."""
    X = validate_data(head, X, dtype=PRECISIONS, reset=False, ensure_all_finite=False)
    check_finite(X)
    return np.asarray(X)


def check_flag(head: str, name: str, value: Any) -> None:
    """Raise UsageError unless the value is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise UsageError(f"The {head} head takes true or false as {name}, not {value!r}.")
