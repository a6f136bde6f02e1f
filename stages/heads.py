"""Fitting a head on cached embeddings: one cell of the matrix, with its predictions."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..datasets.collection import Collection, check_classes
from ..errors import UsageError
from ..heads.registry import make_head
from ..metrics.groups import accuracy, per_group, worst_group

Arrays = dict[str, NDArray[Any]]


def fit_cell(
    kind: str,
    parameters: dict[str, Any],
    features: NDArray[np.float32],
    collection: Collection,
) -> tuple[dict[str, Any], Arrays]:
    """Fit on the train split, score on the test split.

    features: (N, d), one row a sample of the collection, all finite. One BLAS thread fits, so that
    the result does not depend on the number of cores.

    Returns:
        What the record says (counts, accuracy, accuracy by group, WGA; accuracies in [0, 1]) and
        the arrays beside it: `test_index` (positions in the collection), `predictions` (class
        indices) and, where the head has them, `probabilities` (n_test, classes).

    Raises:
        UsageError: a split is missing, or a class occurs in test but not in train.
    """
    train, test = split_indices(collection)
    check_classes(collection)
    start = time.perf_counter()
    with threadpool_limits(1):
        head = make_head(kind, parameters).fit(features[train], collection.labels[train])
    predictions = np.asarray(head.predict(features[test]), np.int64)
    arrays: Arrays = {"test_index": test, "predictions": predictions}
    if hasattr(head, "predict_proba"):
        arrays["probabilities"] = np.asarray(head.predict_proba(features[test]), np.float32)
    content = score(predictions, collection, test)
    content |= {"n_train": len(train), "seconds": round(time.perf_counter() - start, 4)}
    return content, arrays


def score(
    predictions: NDArray[np.int64], collection: Collection, test: NDArray[np.int64]
) -> dict[str, Any]:
    """Accuracy, accuracy by group (None for an empty one) and WGA over the test samples."""
    truth = collection.labels[test]
    groups, names = grouping(collection)
    by_group = per_group(truth, predictions, groups[test], names)
    worst = worst_group(by_group)
    return {
        "n_test": len(test),
        "accuracy": accuracy(truth, predictions),
        "wga": worst.accuracy,
        "worst_group": worst.name,
        "groups": [
            {"name": group.name, "n": group.n, "accuracy": group.accuracy if group.n else None}
            for group in by_group
        ],
    }


def grouping(collection: Collection) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Group of each sample and the groups' names; a collection without groups has its classes."""
    if collection.group_names:
        return collection.groups, collection.group_names
    return collection.labels, collection.class_names


def split_indices(collection: Collection) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the train and test samples.

    Raises:
        UsageError: one of the two is empty.
    """
    train = np.flatnonzero(collection.splits == "train")
    test = np.flatnonzero(collection.splits == "test")
    for name, found in (("train", train), ("test", test)):
        if not len(found):
            raise UsageError(
                f"No sample of {collection.name} ({len(collection)} in all) is in the {name} "
                "split, which a head needs; name the splits in the manifest's split column or in "
                "folders train/ and test/."
            )
    return train, test
