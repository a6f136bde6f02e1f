"""Heads by name. A head is a scikit-learn classifier; other packages add theirs by entry point.

The entry point group is `a2pipe.heads`: its name is the head's kind, its object a class or function
that takes the head's parameters as keywords and returns an unfitted classifier. A head may have a
method `check_parameters()` that raises UsageError, so that a wrong value is found before any work,
and a class attribute `arrays` with the names of parameters that code alone can give, as no file
could.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError
from ..registry import Registry, did_you_mean

HEADS: Registry[Callable[..., Any]] = Registry(
    "head",
    "a2pipe.heads",
    __package__,
    {
        "logistic": "logistic:LogisticHead",
        "dfr": "dfr:DFRHead",
        "visifin": "visifin:VisiFinHead",
        "knn": "nearest:KNNHead",
        "nearest-mean": "nearest:NearestClassMean",
        "zero-shot": "zero_shot:ZeroShotHead",
    },
)


def make_head(kind: str, parameters: Mapping[str, Any]) -> Any:
    """An unfitted head: a classifier with fit, predict and decision_function or predict_proba.

    Raises UsageError for an unknown kind, an unknown parameter or a value that the head refuses.
    """
    factory = HEADS.load(kind)
    _check_names(kind, parameters, factory)
    head = factory(**parameters)
    check = getattr(head, "check_parameters", None)
    if check is not None:
        check()
    return head


def defaults(kind: str) -> dict[str, Any]:
    """The parameters of a head that may be left out, with the values they then have.

    Raises UsageError for an unknown kind.
    """
    known = _writable(HEADS.load(kind)).values()
    return {found.name: found.default for found in known if found.default is not found.empty}


def canonical(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as every way of writing them comes out: without defaults, 1 as 1.0.

    Those of other packages keep their numbers, for 1 may be a count there and 1.0 a share. Without
    parameters nothing is imported. Raises UsageError for an unknown kind that has some.
    """
    if not parameters:
        return {}
    default = defaults(kind)
    if kind in HEADS.built_in:
        parameters = {name: _alike(value, default.get(name)) for name, value in parameters.items()}
    return {
        name: value
        for name, value in parameters.items()
        if name not in default or not _same(value, default[name])
    }


def kind_of(head: Any) -> str:
    """The kind that a head is of, by its class.

    Raises UsageError for a class that is not in the registry; a function that makes heads is none.
    """
    for kind in HEADS.names():
        if HEADS.load(kind) is type(head):
            return kind
    known = ", ".join(HEADS.names())
    raise UsageError(f"{type(head).__name__} is the class of no head ({known}): name its kind.")


def _check_names(kind: str, parameters: Mapping[str, Any], factory: Callable[..., Any]) -> None:
    """Refuse parameters that the factory does not take."""
    known = _writable(factory)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name in parameters:
        if name not in known:
            advice = did_you_mean(name, known, f"use {', '.join(known) or 'none'}.")
            raise UsageError(f"The head {kind!r} has no parameter {name!r}: {advice}")


def _writable(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters that an experiment may give."""
    arrays = getattr(factory, "arrays", ())
    known = inspect.signature(factory).parameters
    return {name: parameter for name, parameter in known.items() if name not in arrays}


def _alike(value: Any, default: Any) -> Any:
    """A whole number as a float, and so in lists, where the default is of floats."""
    if type(value) is int and type(default) is float:
        return float(value)
    if isinstance(value, list | tuple):
        first = default[0] if isinstance(default, list | tuple) and default else None
        return [_alike(item, first) for item in value]
    return value


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, list) and isinstance(default, list | tuple):
        return value == list(default)
    return type(value) is type(default) and bool(value == default)
