"""Check the samples that a head is fitted on, each with one sentence for its refusal."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ...errors import UsageError

Floats = NDArray[np.float64] | NDArray[np.float32]
Indices = NDArray[np.int64]

PRECISIONS = (np.float64, np.float32)
"""Features of these types are used as they are; any other type is converted to the first."""


class SamplesError(UsageError, ValueError):
    """A SamplesError is raised for samples that no head can be fitted on.

    It is a ValueError as well, because scikit-learn's own checks of estimators expect one.
    """


def check_samples(head: Any, X: Any, y: Any) -> tuple[Floats, NDArray[Any]]:
    """Return features (N, d) and class labels (N,) as arrays that `head` can be fitted on.

    Features in float64 or float32 keep their type, and a memory map of them is not copied.

    Raises SamplesError if a feature is not finite or if all labels are the same, and scikit-learn's
    ValueError if the shapes are wrong.
    """
    # scikit-learn is kept from looking for NaN itself: check_finite names the row and the remedy.
    X, y = validate_data(head, X, y, dtype=PRECISIONS, ensure_all_finite=False)
    check_classification_targets(y)
    check_finite(X)
    check_several_classes(np.unique(y))
    return X, y


def check_features(head: Any, X: Any) -> Floats:
    """Return features (N, d) to predict as an array.

    Raises SamplesError if a feature is not finite, and scikit-learn's ValueError if d is not the
    number of features that `head` was fitted on.
    """
    X = validate_data(head, X, dtype=PRECISIONS, reset=False, ensure_all_finite=False)
    check_finite(X)
    return np.asarray(X)


def check_finite(X: Floats) -> None:
    """Raise SamplesError if any of the features (N, d) is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        raise SamplesError(
            f"{len(bad)} of {len(X)} samples (the first in row {bad[0]}) have features that are "
            "NaN or infinite: leave those samples out."
        )


def check_several_classes(classes: NDArray[Any]) -> None:
    """Raise SamplesError unless there are at least two classes."""
    if len(classes) < 2:
        raise SamplesError(
            f"All samples are of one class, {classes[0]!s}: a classifier needs two at least."
        )


def group_indices(groups: Any, n: int) -> Indices:
    """Return group indices as int64 (n,), where -1 stands for no group.

    Raises SamplesError if they are not whole numbers or not one for each of the n samples.
    """
    found = np.asarray(groups)
    if found.ndim != 1 or len(found) != n or not np.issubdtype(found.dtype, np.integer):
        raise SamplesError(
            f"groups are {n} whole numbers, one a sample, not {found.dtype} of shape {found.shape}."
        )
    return found.astype(np.int64)


def validation_mask(validation: Any, n: int) -> NDArray[np.bool_]:
    """Return a mask as bool (n,) that is True for the validation samples.

    Raises SamplesError if it is not boolean or has another shape.
    """
    found = np.asarray(validation)
    # A list of 0 and 1 could as well be meant as row numbers, so only truth values are taken.
    if found.dtype != np.bool_ or found.shape != (n,):
        raise SamplesError(
            f"validation is {n} truth values, one a sample, not {found.dtype} of shape "
            f"{found.shape}."
        )
    return found
