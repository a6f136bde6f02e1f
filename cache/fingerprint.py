"""A spec's address is the digest of its canonical JSON.

A spec is a frozen dataclass with the class variables `stage` and `version`. Labels, and fields that
still have their default, are left out of the address, so that a later version may add a field
without moving what is stored.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

AT_ONCE = 4096
"""So many strings stand as JSON in memory together, as a list may have a million."""


def canonical(spec: Any) -> dict[str, Any]:
    """Return what shapes a spec's result: stage, version and every field not at its default.

    A spec within the spec stands as its fingerprint, a tuple as a list. Raises TypeError for other
    values than specs, tuples, strings, numbers, booleans and None, and for an object that is no
    spec.
    """
    document = _identity(spec)
    for field in fields(spec):
        value = getattr(spec, field.name)
        if not field.metadata.get("label") and not _at_default(field, value):
            document[field.name] = _plain(value, fingerprint)
    return document


def canonical_json(spec: Any) -> str:
    """Return `canonical` as JSON with sorted keys, no spaces, ASCII alone and floats by repr.

    Raises ValueError for NaN and infinity.
    """
    return json.dumps(canonical(spec), sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(spec: Any) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of a spec's canonical JSON."""
    return _digest(canonical_json(spec))


def describe(spec: Any) -> dict[str, Any]:
    """Return the spec in full, for people: specs within it nested, labels and defaults included."""
    document = _identity(spec)
    for field in fields(spec):
        document[field.name] = _plain(getattr(spec, field.name), describe)
    return document


def digest_of(items: Iterable[str]) -> str:
    """Return 32 hexadecimal digits of the SHA-256 of strings as a JSON list.

    As JSON, order, number and boundaries count: ["a", "b"] differs from ["ab"].
    """
    strings, digest = list(items), hashlib.sha256(b"[")
    for start in range(0, len(strings), AT_ONCE):
        part = json.dumps(strings[start : start + AT_ONCE], separators=(",", ":"))
        digest.update(("," if start else "").encode() + part[1:-1].encode())
    digest.update(b"]")
    return digest.hexdigest()[:32]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _identity(spec: Any) -> dict[str, Any]:
    if not is_dataclass(spec) or not hasattr(spec, "stage") or not hasattr(spec, "version"):
        raise TypeError(f"{spec!r} is no spec: it needs to be a dataclass with stage and version")
    return {"stage": spec.stage, "version": spec.version}


def _at_default(field: Field[Any], value: Any) -> bool:
    if field.default is not MISSING:
        return bool(value == field.default)
    return field.default_factory is not MISSING and bool(value == field.default_factory())


def _plain(value: Any, nested: Callable[[Any], Any]) -> Any:
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, tuple):
        return [_plain(item, nested) for item in value]
    if is_dataclass(value):
        return nested(value)
    raise TypeError(f"a spec cannot hold {value!r} of type {type(value).__name__}")
