"""Say what a loader is asked for, and check its options."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..registry import did_you_mean
from .collection import Collection


@dataclass(frozen=True)
class Request:
    """A Request says what a loader is asked for.

    name: the dataset's name, or its path if it is known by that.
    root: the folder or file that the user says it lies in; None if nothing was said.
    options: the dataset's own options, by name.
    memo: the file that remembers digests and sizes of images between runs; None remembers nothing.
    workspace: the folder in which a dataset that is built may be placed; None if there is none.
    """

    name: str
    root: Path | None
    options: Mapping[str, Any]
    memo: Path | None
    workspace: Path | None


Loader = Callable[[Request], Collection]


def check_options(request: Request, allowed: Iterable[str]) -> None:
    """Raise UsageError, with the nearest allowed name, for an option the dataset does not have."""
    allowed = sorted(allowed)
    for option in request.options:
        if option not in allowed:
            otherwise = f"use {', '.join(allowed)}." if allowed else "it has none; remove it."
            advice = did_you_mean(option, allowed, otherwise)
            raise UsageError(f"Dataset {request.name} has no option {option!r}: {advice}")
