"""Check the parameters of heads, each with one sentence for a value that no fit can use.

In all of them `head` and `name` are what the sentence calls the head and the parameter.
"""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..errors import UsageError


def check_choice(head: str, name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise UsageError unless the value is one of a few words."""
    if value not in choices:
        words = " or ".join(repr(choice) for choice in choices)
        raise UsageError(f"The {head} head has no {name} {value!r}: use {words}.")


def check_positive(head: str, name: str, value: Any) -> None:
    """Raise UsageError unless the value is a positive, finite number."""
    if not _is_number(value, Real) or not math.isfinite(value) or value <= 0:
        raise UsageError(f"The {head} head takes a positive number as {name}, not {value!r}.")


def check_whole(head: str, name: str, value: Any, *, least: int = 1) -> None:
    """Raise UsageError unless the value is a whole number of at least `least`."""
    if not _is_number(value, Integral) or value < least:
        raise UsageError(
            f"The {head} head takes a whole number of at least {least} as {name}, not {value!r}."
        )


def check_share(head: str, name: str, value: Any) -> None:
    """Raise UsageError unless the value is a number between 0 and 1, both excluded."""
    if not _is_number(value, Real) or not 0 < value < 1:
        raise UsageError(
            f"The {head} head takes a number between 0 and 1 as {name}, not {value!r}."
        )


def check_positives(head: str, name: str, values: Any) -> None:
    """Raise UsageError unless the value is a list of positive numbers that is not empty."""
    if not isinstance(values, (list, tuple)) or not values:
        raise UsageError(f"The {head} head takes a list of numbers as {name}, not {values!r}.")
    for value in values:
        check_positive(head, f"each of {name}", value)


def check_flag(head: str, name: str, value: Any) -> None:
    """Raise UsageError unless the value is True or False, NumPy's own included."""
    if not isinstance(value, bool | np.bool_):
        raise UsageError(f"The {head} head takes true or false as {name}, not {value!r}.")


def _is_number(value: Any, kind: type) -> bool:
    # bool is a kind of int in Python, and True is no number of neighbours.
    return isinstance(value, kind) and not isinstance(value, bool)
