"""Make heads by name, and name heads. A head is a scikit-learn classifier.

Other packages add heads through the entry-point group `a2pipe.heads`. The entry point's name is the
kind of head; its object is a class or function that takes the head's parameters as keywords and
returns an unfitted classifier. A head may have a method `check_parameters()` that raises
UsageError, so that a wrong value is found before any work, and a class attribute `arrays` with the
names of parameters that only code can give, not an experiment file.
"""

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
    """Return an unfitted head of a kind, with fit, predict and decision_function or predict_proba.

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
    """Return the parameters of a kind that may be left out, with the values that they then have.

    Raises UsageError for an unknown kind.
    """
    known = _writable(HEADS.load(kind)).values()
    return {found.name: found.default for found in known if found.default is not found.empty}


def canonical(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters in the one form that all ways of writing them share.

    Parameters that equal their defaults are left out, and a whole number is a float where the
    default is one. Raises UsageError for an unknown kind, unless there are no parameters.
    """
    # Nothing is imported for a head without parameters, so that a warm matrix does not load
    # scikit-learn to name its heads.
    if not parameters:
        return {}
    default = defaults(kind)
    # Heads of other packages keep their numbers: there 1 may be a count and 1.0 a share.
    if kind in HEADS.built_in:
        parameters = {name: _alike(value, default.get(name)) for name, value in parameters.items()}
    return {
        name: value
        for name, value in parameters.items()
        if name not in default or not _same(value, default[name])
    }


def kind_of(head: Any) -> str:
    """Return the kind of a head by its class.

    Raises UsageError for a class that is not in the registry, as that of a head which a registered
    function makes.
    """
    for kind in HEADS.names():
        if HEADS.load(kind) is type(head):
            return kind
    known = ", ".join(HEADS.names())
    raise UsageError(f"{type(head).__name__} is the class of no head ({known}): name its kind.")


def _check_names(kind: str, parameters: Mapping[str, Any], factory: Callable[..., Any]) -> None:
    """Raise UsageError for the first parameter that the factory does not take."""
    known = _writable(factory)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name in parameters:
        if name not in known:
            advice = did_you_mean(name, known, f"use {', '.join(known) or 'none'}.")
            raise UsageError(f"The head {kind!r} has no parameter {name!r}: {advice}")


def _writable(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a factory that an experiment may give: all but its arrays."""
    arrays = getattr(factory, "arrays", ())
    known = inspect.signature(factory).parameters
    return {name: parameter for name, parameter in known.items() if name not in arrays}


def _alike(value: Any, default: Any) -> Any:
    """Return whole numbers as floats where the default is a float or a list of floats."""
    if type(value) is int and type(default) is float:
        return float(value)
    if isinstance(value, list | tuple):
        first = default[0] if isinstance(default, list | tuple) and default else None
        return [_alike(item, first) for item in value]
    return value


def _same(value: Any, default: Any) -> bool:
    """Return whether a value equals its default; 1 and True are not the same."""
    if isinstance(value, list) and isinstance(default, list | tuple):
        return value == list(default)
    return type(value) is type(default) and bool(value == default)
