"""Read the stored predictions of a head and the truth, so that heads compare without a fit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache.records import read_record
from ...errors import DamagedError, NotCachedError, UsageError
from ...files import read_checked_json

STAGE = "fits"
_ARRAYS = ("test_index", "test_predictions", "test_labels", "test_groups", "test_images")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions are what one head predicted of a collection's n test samples, in arrays (n,).

    record: the fingerprint of the head's record. collection: the digest of the collection. index:
    positions of the samples in it, those of bad images left out. predictions: predicted class
    indices. labels: true class indices. groups: group indices, -1 for none; the labels if no sample
    has a group. images: numbers that are equal for samples that share an image; None if no two do.
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
        """Return which predictions are right, (n,)."""
        return np.asarray(self.predictions == self.labels)


def read_predictions(root: Path, record: str) -> Predictions:
    """Return the predictions of the record with this fingerprint.

    root: folder of the cache.

    Raises:
        NotCachedError: the cache has no such record, it is damaged, or a version wrote it that did
            not yet store the truth beside the predictions. To build the matrix again mends each.
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
    labels, groups, images = (arrays[f"test_{name}"] for name in ("labels", "groups", "images"))
    return Predictions(
        record=record,
        collection=str(document["spec"]["collection"]),
        index=arrays["test_index"],
        predictions=arrays["test_predictions"],
        labels=labels,
        groups=groups if (groups >= 0).any() else labels,
        images=images if len(np.unique(images)) < len(images) else None,
    )


def find_record(root: Path, beginning: str) -> str:
    """Return the whole fingerprint of the one stored record that begins with these digits.

    Raises:
        NotCachedError: no record begins so.
        UsageError: several records begin so.
    """
    found = sorted(path.stem for path in (root / STAGE).glob(f"{beginning}*.json"))
    if not found:
        raise NotCachedError(f"No record in {root / STAGE} begins with {beginning!r}.")
    if len(found) > 1:
        raise UsageError(f"{len(found)} records begin with {beginning!r}; give more digits.")
    return found[0]
