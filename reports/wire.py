"""Dataclasses as plain JSON and back, with errors that name the place.

A number that is not finite is written as null, since JSON has no word for it, and read as NaN.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import PurePath
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from ..errors import A2pipeError

T = TypeVar("T")


def plain(value: Any) -> Any:
    """`value` in the types JSON knows: dataclasses and mappings become dicts, sequences lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, PurePath) else value


def build(kind: type[T], data: Any, where: str) -> T:
    """The dataclass `kind` from the dict `plain` made of it.

    Keys this version does not know are passed over; a missing key takes the field's default.
    Raises A2pipeError when a key without default is missing or a value has another type.
    """
    result: T = _read(kind, data, where)
    return result


def _read(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        items = _expect(list, value, where)
        _check_length(items, arguments, where)
        return tuple(_read(arguments[0], each, f"{where}[{i}]") for i, each in enumerate(items))
    if origin in (Union, types.UnionType):
        inner = next(each for each in arguments if each is not type(None))
        return None if value is None else _read(inner, value, where)
    if origin is Literal:
        return _one_of(arguments, value, where)
    if kind is float:
        return math.nan if value is None else _float(_expect((int, float), value, where), where)
    return _expect(origin or kind, value, where)


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    data = _expect(dict, value, where)
    hints = get_type_hints(kind)
    given = {
        each.name: _read(hints[each.name], data[each.name], f"{where}.{each.name}")
        for each in fields(kind)
        if _present(each, data, where)
    }
    return kind(**given)


def _present(each: Field[Any], data: Mapping[str, Any], where: str) -> bool:
    """Whether the key is there; its absence is an error only for a field without default."""
    required = each.default is MISSING and each.default_factory is MISSING
    if each.name not in data and required:
        raise A2pipeError(f"{where} has no '{each.name}'; the file is incomplete, write it again.")
    return each.name in data


def _check_length(items: list[Any], kinds: tuple[Any, ...], where: str) -> None:
    """A tuple of so many, all of one kind here, or of any number where its type ends in `...`."""
    if kinds[-1] is not Ellipsis and len(items) != len(kinds):
        raise A2pipeError(f"{where} has {len(items)} values, where {len(kinds)} are expected.")


def _float(value: int | float, where: str) -> float:
    """A number that is no infinity, which `plain` would not have written."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise A2pipeError(
            f"{where} is larger than any number that is computed with; mend the file."
        )
    return number


def _one_of(allowed: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in allowed:
        known = ", ".join(map(str, allowed))
        raise A2pipeError(f"{where} is {value!r}, which is none of {known}.")
    return value


def _expect(kind: Any, value: Any, where: str) -> Any:
    """`value` if it has the type; true and false are no numbers here."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = getattr(kind, "__name__", "number")
        raise A2pipeError(f"{where} is {value!r}, where a {wanted} is expected.")
    return value
