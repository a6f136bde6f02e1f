"""What a head asks of the samples it is given, and the sentence for those it cannot use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError

Floats = NDArray[np.float64] | NDArray[np.float32]
Indices = NDArray[np.int64]


class SamplesError(UsageError, ValueError):
    """Samples that no head can be fitted on; a ValueError too, as scikit-learn expects."""


def check_finite(X: Floats) -> None:
    """Raise SamplesError if a feature, of (N, d), is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        raise SamplesError(
            f"{len(bad)} of {len(X)} samples (the first in row {bad[0]}) have features that are "
            "NaN or infinite: leave those samples out."
        )


def check_several_classes(classes: NDArray[Any]) -> None:
    """Raise SamplesError if there is one class only."""
    if len(classes) < 2:
        raise SamplesError(
            f"All samples are of one class, {classes[0]!s}: a classifier needs two at least."
        )


def group_indices(groups: Any, n: int) -> Indices:
    """Groups as int64 (N,), -1 for none. Raises SamplesError for another type or length."""
    found = np.asarray(groups)
    if found.ndim != 1 or len(found) != n or not np.issubdtype(found.dtype, np.integer):
        raise SamplesError(
            f"groups are {n} whole numbers, one a sample, not {found.dtype} of shape {found.shape}."
        )
    return found.astype(np.int64)


def validation_mask(validation: Any, n: int) -> NDArray[np.bool_]:
    """The mask as bool (N,). Raises SamplesError for another type or length."""
    found = np.asarray(validation)
    if found.dtype != np.bool_ or found.shape != (n,):
        raise SamplesError(
            f"validation is {n} truth values, one a sample, not {found.dtype} of shape "
            f"{found.shape}."
        )
    return found
