"""Correct p-values of several comparisons, and say how many resamples these need."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

Floats = NDArray[np.float64]


def bonferroni(p_values: Sequence[float] | Floats) -> Floats:
    """Return each p-value times their number, at most 1.

    Raises ValueError unless all p-values lie in [0, 1].
    """
    p = _checked(p_values)
    return np.minimum(p * len(p), 1.0)


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Return p-values corrected by Holm's step-down rule, in the order given.

    The i-th smallest of m p-values (i from 0) is multiplied by m - i, raised to the one before it
    if it falls below, and cut at 1 (Holm, Scandinavian Journal of Statistics 6, 1979). The result
    is never above Bonferroni's and valid under the same conditions.

    Raises ValueError unless all p-values lie in [0, 1].
    """
    p = _checked(p_values)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def uncorrected(p_values: Sequence[float] | Floats) -> Floats:
    """Return the p-values as they are; raise ValueError unless all lie in [0, 1]."""
    return _checked(p_values)


def resamples_needed(comparisons: int, alpha: float, correction: str = "holm") -> int:
    """Return the fewest resamples with which a p-value can pass: ceil(2 m / alpha).

    The smallest two-sided p of n resamples is 2 / (n + 1), and a correction over m comparisons asks
    for alpha / m. Without correction ("none") m is 1.
    """
    family = comparisons if correction != "none" else 1
    # As a fraction of the decimal that was written: in floats 18 / 0.009 is a rounding above 2,000.
    return math.ceil(2 * family / Fraction(repr(float(alpha))))


def check_resolution(
    resamples: int, comparisons: int, alpha: float, correction: str = "holm"
) -> None:
    """Raise UsageError if so few resamples can show no difference, however large it is.

    resamples: how many are to be drawn. Other arguments as for `resamples_needed`.
    """
    needed = resamples_needed(comparisons, alpha, correction)
    if resamples < needed:
        family = "comparison" if comparisons == 1 else "comparisons"
        raise UsageError(
            f"{resamples:,} resamples cannot show a difference at alpha {alpha:g} over "
            f"{comparisons:,} {family} ({correction}), as their smallest p-value is "
            f"{2 / (resamples + 1):.2g}; draw at least {needed:,}."
        )


def _checked(p_values: Sequence[float] | Floats) -> Floats:
    """Return p-values as an array; raise ValueError unless all lie in [0, 1]."""
    p = np.asarray(p_values, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values lie between 0 and 1")
    return p


CORRECTIONS: dict[str, Callable[[Sequence[float] | Floats], Floats]] = {
    "holm": holm,
    "bonferroni": bonferroni,
    "none": uncorrected,
}
"""These are the corrections by the names the command line gives them."""
