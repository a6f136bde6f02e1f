"""A fitted head goes into one file: safetensors for its arrays, JSON for the rest, no pickle.

What is saved is what scikit-learn's convention calls fitted: the attributes whose names end in
"_", which have to be arrays or JSON values. So this holds for every built-in head, and for any
other in the registry that keeps to the rule. Loading makes an unfitted head of the same kind and
parameters and sets these attributes; nothing of the file is ever run.

skops (0.16) was tried for this. Its files name classes by their modules, so that a head is lost
when its class moves; it unpacks what was compressed without a limit (66 kB to 144 MB); and its
files of the built-in heads were 1.2 to 24 times as large.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DamagedError, UsageError, first_line
from .head_file import read_file, write_file
from .registry import kind_of, make_head

FORMAT = 1
"""The number rises when a file's meaning changes; a newer one is refused, an older one read."""

CONFIGURATION = ("_metadata_request", "_sklearn_output_config", "_sklearn_auto_wrap_output_keys")
"""scikit-learn keeps settings that are no part of a fit in these attributes."""


@dataclass(frozen=True)
class About:
    """An About says which features and classes a saved head was fitted on.

    class_names: in the order of the class indices.
    features: what identifies the features, by name (digest of the embedding model's weights, crop
        list, input size, ...). A head is only applied where all of them are the same.
    notes: anything else as JSON values, such as the experiment that the head came from.
    """

    class_names: tuple[str, ...] = ()
    features: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedHead:
    """A SavedHead was read from a file and is ready to predict."""

    head: Any
    kind: str
    about: About
    path: Path

    def check_features(self, width: int, features: Mapping[str, str]) -> None:
        """Raise UsageError where features of this width and identity are not those of the fit."""
        fitted = getattr(self.head, "n_features_in_", width)
        if width != fitted:
            raise UsageError(
                f"The head in {self.path} was fitted on {fitted} features and cannot be applied "
                f"to {width}: use the embedding model and crops it was fitted with."
            )
        for name in sorted({*self.about.features, *features}):
            fitted_on, given = (
                f"{name} {found[name]}" if name in found else f"no {name}"
                for found in (self.about.features, features)
            )
            if fitted_on != given:
                raise UsageError(
                    f"The head in {self.path} was fitted on features with {fitted_on}, and these "
                    f"have {given}: apply it to the same kind of features."
                )


def save_head(head: Any, path: Path, about: About | None = None, kind: str = "") -> None:
    """Write a fitted head to `path`, wholly or not at all; what was there before is replaced.

    kind: its name in the registry, needed only where a function makes heads of that kind.

    Raises UsageError if it is not fitted, is no kind of the registry, or keeps state in another
    form, and A2pipeError if the file cannot be written.
    """
    about = about or About()
    kind = kind or kind_of(head)
    fitted = _pack_all(_fitted_state(head, kind))
    arrays = getattr(head, "arrays", ())  # which the fit has taken over
    given = {k: v for k, v in head.get_params(deep=False).items() if k not in arrays}
    parameters = _pack_all(_plain(given))
    document = {
        "format": FORMAT,
        "kind": kind,
        "parameters": parameters.document,
        "fitted": fitted.document,
        "class_names": list(about.class_names),
        "features": dict(about.features),
        "notes": _as_json("notes", dict(about.notes)),
    }
    write_file(path, document, {**fitted.arrays, **parameters.arrays})


def load_head(path: Path) -> SavedHead:
    """Read a head that `save_head` wrote; it predicts bit for bit as it did then.

    Raises UsageError if the file is not there, not of a head, of a newer format, or of a head that
    is not installed, and DamagedError if its bytes are not those that were written.
    """
    document, stored = read_file(path)
    if document.get("format", 0) > FORMAT:
        raise UsageError(
            f"{path} holds a head in format {document['format']}, and this a2pipe reads up to "
            f"{FORMAT}: update a2pipe."
        )
    try:
        head = _restore(document, stored)
        about = About(tuple(document["class_names"]), document["features"], document["notes"])
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise DamagedError(f"The head in {path} cannot be put together ({reason}).") from error
    return SavedHead(head, document["kind"], about, path)


def _restore(document: dict[str, Any], stored: Mapping[str, NDArray[Any]]) -> Any:
    head = make_head(document["kind"], _unpack_all(document["parameters"], stored))
    for name, value in _unpack_all(document["fitted"], stored).items():
        if not _is_fitted(name):
            raise ValueError(f"{name} is no name of a fitted attribute")
        setattr(head, name, value)
    return head


# --- what a head has learned --------------------------------------------------------------------


def _fitted_state(head: Any, kind: str) -> dict[str, Any]:
    """Return the attributes of the fit by name; refuse a head that has others beside parameters."""
    state = {name: value for name, value in vars(head).items() if _is_fitted(name)}
    if not state:
        raise UsageError(f"The head {kind!r} is not fitted, so there is nothing to save.")
    known = {*state, *head.get_params(deep=False), *CONFIGURATION}
    others = sorted(vars(head).keys() - known)
    if others:
        raise UsageError(
            f"The head {kind!r} keeps what it learned in {', '.join(others)}, which a file cannot "
            "hold: heads to be saved keep arrays and JSON values in attributes ending in '_'."
        )
    return state


def _is_fitted(name: str) -> bool:
    return name.isidentifier() and name.endswith("_") and not name.startswith("_")


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray | np.generic) and not isinstance(value, str)


def _as_json(name: str, value: Any) -> Any:
    """Return a value that comes back from JSON as it was; refuse any other."""
    try:
        same = json.loads(json.dumps(value)) == value
    except (TypeError, ValueError):
        same = False
    if not same:
        raise UsageError(
            f"A head's {name} cannot be saved, as it is not made of arrays or JSON values: "
            f"{type(value).__name__}."
        )
    return value


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as experiments give them: NumPy's scalars as numbers, tuples as lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        return list(value) if isinstance(value, tuple) else value

    return {name: plain(value) for name, value in parameters.items()}


# --- arrays in the file -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Packed:
    """A _Packed holds values by name: what of them is JSON, and the arrays beside it."""

    document: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def _pack_all(values: Mapping[str, Any]) -> _Packed:
    packed = {name: _pack(name, value) for name, value in values.items() if _is_array(value)}
    others = {name: value for name, value in values.items() if name not in packed}
    document = {
        "values": {name: _as_json(name, value) for name, value in others.items()},
        "arrays": {name: layout for name, (layout, _) in packed.items()},
    }
    return _Packed(
        document, {name: found for name, (_, found) in packed.items() if found is not None}
    )


def _unpack_all(document: Mapping[str, Any], stored: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    arrays = document["arrays"].items()
    unpacked = {name: _unpack(layout, stored.get(name)) for name, layout in arrays}
    return {**document["values"], **unpacked}


def _pack(name: str, array: Any) -> tuple[dict[str, Any], NDArray[Any] | None]:
    """Return how an array lies, and its numbers; text, which safetensors lacks, is in the former.

    The layout is kept as results of BLAS may depend on it in their last bit.
    """
    scalar = isinstance(array, np.generic)
    array = np.asarray(array)
    if array.dtype.kind in "UO":
        texts = array.ravel().tolist()
        if not all(type(text) is str for text in texts):
            raise UsageError(
                f"A head's {name} cannot be saved, as it holds neither numbers nor text."
            )
        kind = "object" if array.dtype == object else array.dtype.str
        return {"dtype": kind, "shape": list(array.shape), "texts": texts}, None
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise UsageError(f"A head's {name} cannot be saved: arrays of {array.dtype} have no place.")
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    native = array.dtype.newbyteorder("=")
    stored = np.asarray(array, dtype=native, order="C")
    return {"order": "F" if fortran else "C", "scalar": scalar}, stored


def _unpack(layout: Mapping[str, Any], stored: NDArray[Any] | None) -> Any:
    if "texts" in layout:
        texts = np.array(layout["texts"], dtype=layout["dtype"])
        return texts.reshape(layout["shape"])
    if stored is None:
        raise ValueError("an array is missing")
    array = np.array(stored, order=layout["order"])
    return array[()] if layout["scalar"] else array
