"""What a head refuses, each in one sentence: parameters no fit can use, and samples none can."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ..errors import UsageError

Floats = NDArray[np.float64] | NDArray[np.float32]

PRECISIONS = (np.float64, np.float32)
"""Features of another type are converted to the first."""


class SamplesError(UsageError, ValueError):
    """Samples that a head cannot be fitted on; scikit-learn expects a ValueError."""


def check_choice(head: str, name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices."""
    if not isinstance(value, str) or value not in choices:
        names = " or ".join(repr(choice) for choice in choices)
        raise UsageError(f"The {head} head has no {name} {value!r}: use {names}.")


def check_flag(head: str, name: str, value: object) -> None:
    """Refuse anything but True and False."""
    if not isinstance(value, bool | np.bool_):
        raise UsageError(f"The {head} head's {name} is true or false, not {value!r}.")


def check_number(
    head: str, name: str, value: Any, *, whole: bool = False, zero: bool = False
) -> None:
    """Refuse anything but a positive, finite number; `whole` of no fraction; `zero` is allowed."""
    right = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if not right or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        kind = "whole number" if whole else "number"
        sign = f"a {kind} of 0 or more" if zero else f"a positive {kind}"
        raise UsageError(f"The {head} head's {name} is {sign}, not {value!r}.")


def check_samples(estimator: Any, head: str, X: Any, y: Any) -> tuple[Floats, NDArray[Any]]:
    """Features (N, d) and class labels (N,) as arrays; a memory map of floats is not copied.

    Raises SamplesError where a feature is not finite or there are fewer than two classes, and
    scikit-learn's ValueError where the shapes are wrong.
    """
    X, y = validate_data(estimator, X, y, dtype=PRECISIONS, ensure_all_finite=False)
    check_classification_targets(y)
    _check_finite(head, X)
    check_classes(head, y)
    return X, y


def check_classes(head: str, y: NDArray[Any]) -> None:
    """Refuse labels of one class."""
    classes = np.unique(y)
    if len(classes) < 2:
        plural = "s" if len(y) != 1 else ""
        raise SamplesError(
            f"The {head} head tells classes apart, and its {len(y)} sample{plural} hold one class "
            f"({classes[0]}): give training samples of two or more."
        )


def check_features(estimator: Any, head: str, X: Any) -> Floats:
    """Features (N, d) of samples to predict, as wide as those of the fit and finite."""
    X = validate_data(estimator, X, dtype=PRECISIONS, reset=False, ensure_all_finite=False)
    _check_finite(head, X)
    return np.asarray(X)


def check_mask(head: str, mask: Any, samples: int) -> NDArray[np.bool_]:
    """A validation mask, bool (N,), that leaves samples on both sides."""
    mask = np.asarray(mask)
    if mask.shape != (samples,) or mask.dtype != np.bool_:
        raise SamplesError(
            f"The {head} head's validation is one true or false for each of {samples} samples, "
            f"not {mask.dtype} of shape {mask.shape}."
        )
    if mask.all() or not mask.any():
        lacking = "training" if mask.all() else "validation"
        raise SamplesError(
            f"The {head} head is given no {lacking} sample among its {samples}: name the splits "
            "of the samples, or leave the validation mask out."
        )
    return mask


def _check_finite(head: str, X: Floats) -> None:
    try:
        assert_all_finite(X)
    except ValueError:
        bad = [row for row in range(len(X)) if not np.isfinite(X[row]).all()]
        raise SamplesError(
            f"The {head} head cannot use features that are NaN or infinite, as in {len(bad)} of "
            f"{len(X)} samples (the first is number {bad[0]}): leave those samples out."
        ) from None
