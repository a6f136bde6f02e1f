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
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import UsageError

GROUP = "a2pipe.heads"
BUILT_IN = {
    "logistic": (".logistic", "LogisticHead"),
    "dfr": (".dfr", "DFRHead"),
    "visifin": (".visifin", "VisiFinHead"),
    "knn": (".nearest", "KNNHead"),
    "nearest-mean": (".nearest", "NearestClassMean"),
    "zero-shot": (".zero_shot", "ZeroShotHead"),
}


def kinds() -> list[str]:
    """Names of all heads, built in first."""
    return [*BUILT_IN, *sorted(_registered())]


def make_head(kind: str, parameters: Mapping[str, Any]) -> Any:
    """An unfitted head: a classifier with fit, predict and decision_function or predict_proba.

    Raises UsageError for an unknown kind, an unknown parameter or a value that the head refuses.
    """
    factory = _factory(kind)
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
    known = _writable(_factory(kind)).values()
    return {found.name: found.default for found in known if found.default is not found.empty}


def canonical(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as every way of writing them comes out: without defaults, 1 as 1.0.

    Those of other packages keep their numbers, for 1 may be a count there and 1.0 a share. Without
    parameters nothing is imported. Raises UsageError for an unknown kind that has some.
    """
    if not parameters:
        return {}
    default = defaults(kind)
    if kind in BUILT_IN:
        parameters = {name: _alike(value, default.get(name)) for name, value in parameters.items()}
    return {
        name: value
        for name, value in parameters.items()
        if name not in default or not _same(value, default[name])
    }


def origin(kind: str) -> str | None:
    """The distribution and version that a head of another package comes from; None if built in."""
    point = None if kind in BUILT_IN else _registered().get(kind)
    if point is None:
        return None
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def kind_of(head: Any) -> str:
    """The kind that a head is of, by its class.

    Raises UsageError for a class that is not in the registry; a function that makes heads is none.
    """
    for kind in kinds():
        if _factory(kind) is type(head):
            return kind
    raise UsageError(
        f"{type(head).__name__} is the class of no head ({', '.join(kinds())}): name its kind."
    )


def _factory(kind: str) -> Callable[..., Any]:
    if kind in BUILT_IN:
        module, name = BUILT_IN[kind]
        factory: Callable[..., Any] = getattr(import_module(module, __package__), name)
        return factory
    registered = _registered()
    if kind not in registered:
        raise UsageError(f"There is no head {kind!r}: {_suggest(kind, kinds())}")
    loaded: Callable[..., Any] = registered[kind].load()
    return loaded


def _registered() -> dict[str, EntryPoint]:
    """Heads of other packages; a built-in name cannot be taken over."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in BUILT_IN}


def _check_names(kind: str, parameters: Mapping[str, Any], factory: Callable[..., Any]) -> None:
    """Refuse parameters that the factory does not take."""
    known = _writable(factory)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name in parameters:
        if name not in known:
            raise UsageError(
                f"The head {kind!r} has no parameter {name!r}: {_suggest(name, known)}"
            )


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


def _suggest(name: str, known: Any) -> str:
    """What the user may have meant."""
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"use {', '.join(known) or 'none'}."
