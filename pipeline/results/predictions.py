"""What a stored head predicted, with the truth beside it, so that heads compare without a refit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.records import read_record
from ...errors import DamagedError, NotCachedError, UsageError
from ...files import read_checked_json

STAGE = "fits"
_ARRAYS = ("test_index", "test_predictions", "test_labels", "test_groups", "test_images")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of one head on the test samples of one collection, arrays (n_test,).

    collection: digest of the collection. index: positions in it, bad images left out. predictions,
    labels: class indices. groups: -1 for none; the classes where no sample has a group. images:
    equal for samples that share an image; None if none do.
    """

    record: str
    collection: str
    index: NDArray[np.int64]
    predictions: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    images: NDArray[np.int64] | None

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which predictions are right."""
        return np.asarray(self.predictions == self.labels)


def read_predictions(root: Path, record: str) -> Predictions:
    """The predictions stored under `record`, the fingerprint of a cell.

    Raises:
        NotCachedError: there is no such record in the cache, it is damaged, or it was written
            before records held the truth; each is mended by building the matrix again.
    """
    path = root / STAGE / f"{record}.json"
    try:
        _, arrays = read_record(path)
        document = read_checked_json(path) or {}
    except (FileNotFoundError, NotADirectoryError, DamagedError) as error:
        raise NotCachedError(
            f"The predictions of record {record} are not in the cache {root}; name the cache they "
            "were computed in, or build the matrix again."
        ) from error
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise NotCachedError(
            f"Record {record} holds no {missing[0]}, as an earlier version wrote it; build the "
            "matrix again."
        )
    return predictions_of(record, str(document["spec"]["collection"]), arrays)


def find_record(root: Path, beginning: str) -> str:
    """The fingerprint of the one stored cell that begins so.

    Raises:
        NotCachedError: there is none.
        UsageError: there are several.
    """
    found = sorted(path.stem for path in (root / STAGE).glob(f"{beginning}*.json"))
    if not found:
        raise NotCachedError(f"No record in {root / STAGE} begins with {beginning!r}.")
    if len(found) > 1:
        raise UsageError(f"{len(found)} records begin with {beginning!r}; give more digits.")
    return found[0]


def predictions_of(record: str, collection: str, arrays: Mapping[str, NDArray[Any]]) -> Predictions:
    """The predictions among a record's arrays, which are named in `_ARRAYS`."""
    labels, groups, images = (arrays[f"test_{name}"] for name in ("labels", "groups", "images"))
    return Predictions(
        record=record,
        collection=collection,
        index=arrays["test_index"],
        predictions=arrays["test_predictions"],
        labels=labels,
        groups=groups if (groups >= 0).any() else labels,
        images=images if len(np.unique(images)) < len(images) else None,
    )
