"""A row has a state, and a computed row that is not finite becomes a bad one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .layout import STATUS_FIELD, ArrayField
from .ledger import BadRow

PENDING, OK, UNREADABLE, NOT_FINITE = 0, 1, 2, 3
"""They mean not computed yet, good, an unreadable image, and a NaN or infinity in the result."""


def settle(
    fields: Sequence[ArrayField], arrays: Mapping[str, Any], status: Any
) -> tuple[dict[str, Any], Any]:
    """Return copies of a shard's arrays as they are to be stored, and their status (rows,) uint8.

    arrays: by field, (rows, ...). status: (rows,), of the states above, none PENDING. A row that is
    OK but holds a NaN or an infinity becomes NOT_FINITE; every row that is not OK is overwritten by
    the fill value. The status is also among the copies, as "status".

    Raises ValueError where names, shapes, types or status do not fit.
    """
    settled = np.array(status, dtype=np.uint8)
    if not np.isin(settled, (OK, UNREADABLE, NOT_FINITE)).all():
        raise ValueError("a committed row is OK, UNREADABLE or NOT_FINITE")
    # After the cast to the stored type, in which a number may have become an infinity.
    with np.errstate(over="ignore", invalid="ignore"):
        copies = _copies(fields, arrays, len(settled))
    settled[(settled == OK) & ~_finite(copies.values(), len(settled))] = NOT_FINITE
    for field in fields:
        copies[field.name][settled != OK] = field.fill
    return {**copies, STATUS_FIELD.name: settled}, settled


def bad_rows_of(
    status: Any, images: Sequence[str], first: int, told: Sequence[BadRow]
) -> tuple[BadRow, ...]:
    """Return one BadRow for every row of a shard that is not OK.

    status: (rows,) of the shard. images: its images. first: the row of the first of them in the
    artifact. told: the reasons that are known, matched by image.
    """
    reasons = {bad.image: bad.reason for bad in told}
    return tuple(
        BadRow(
            first + int(i), images[i], int(status[i]), reasons.get(images[i]) or _reason(status[i])
        )
        for i in np.flatnonzero(status != OK).tolist()
    )


def _reason(status: int) -> str:
    return "the image could not be read" if status == UNREADABLE else "the result is not finite"


def _copies(fields: Sequence[ArrayField], arrays: Mapping[str, Any], rows: int) -> dict[str, Any]:
    if set(arrays) != {field.name for field in fields}:
        raise ValueError(f"arrays {sorted(arrays)} instead of {sorted(f.name for f in fields)}")
    return {field.name: _copy(arrays[field.name], field, rows) for field in fields}


def _copy(array: Any, field: ArrayField, rows: int) -> Any:
    given, shape = np.asarray(array), (rows, *field.shape)
    if given.shape != shape:
        raise ValueError(f"{field.name} has shape {given.shape} instead of {shape}")
    copy = given.astype(field.stored, order="C", casting="same_kind", copy=True)
    # The cast wraps integers that do not fit around, and says nothing.
    if copy.dtype.kind != "f" and not np.array_equal(copy, given):
        raise ValueError(f"{field.name} holds numbers that do not fit into {field.dtype}")
    return copy


def _finite(arrays: Any, rows: int) -> Any:
    finite = np.ones(rows, dtype=bool)
    for array in arrays:
        if array.dtype.kind == "f":
            finite &= np.isfinite(array).reshape(rows, -1).all(axis=1)
    return finite
