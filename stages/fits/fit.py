"""Fit a head on stored embeddings: one cell of the matrix, with its predictions."""

import inspect
import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ...errors import A2pipeError
from .measures import measures
from .samples import Samples, Split

Arrays = dict[str, NDArray[Any]]
Features = NDArray[np.float32]
KEYWORDS = frozenset({"groups", "validation"})
"""A head may ask for these beside features and labels."""
LARGEST_FINDING = 256
"""An array of so many values is still written into a record; DFR's scores are 105."""


def fit_cell(head: Any, features: Features, samples: Samples) -> tuple[dict[str, Any], Arrays]:
    """Fit a head on the training samples, and let it predict the validation and the test samples.

    features: (N, d), one row a sample in the order of `samples`, all finite. One BLAS thread
    works, so that the result does not depend on the number of cores.

    Returns:
        What the record says (measures of the test samples, counts, names of classes and groups,
        what the head found out and warned of while it was fitted) and the arrays beside it, for
        SPLIT of test and, where there are any, val:
        `SPLIT_index` (positions in the collection), `SPLIT_labels`, `SPLIT_groups`,
        `SPLIT_images` (equal where samples share an image), `SPLIT_predictions` (class indices)
        and, where the head has them, `SPLIT_probabilities` (n, classes).
    """
    start = time.perf_counter()
    with threadpool_limits(1), warnings_as_text() as warned, refusals_explained(head):
        _warn_of_shared_images(samples)
        fit_head(head, features, samples)
        arrays = _judged(head, features, samples, "test")
        if samples.sizes["val"]:
            arrays |= _judged(head, features, samples, "val")
    predictions, probabilities = arrays["test_predictions"], arrays.get("test_probabilities")
    content = {
        "measures": measures(samples, predictions, probabilities),
        "samples": dict(samples.sizes),
        "class_names": list(samples.class_names),
        "group_names": list(samples.group_names),
        "fitted": _findings(head),
        "warnings": list(dict.fromkeys(warned)),
        "seconds": round(time.perf_counter() - start, 4),
    }
    return content, arrays


@contextmanager
def warnings_as_text() -> Iterator[list[str]]:
    """Collect the warnings of a block as lines of text, in a list that is complete at its end."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
        said += [" ".join(str(warning.message).split()) for warning in caught]


@contextmanager
def refusals_explained(head: Any) -> Iterator[None]:
    """Raise A2pipeError for a ValueError, by which scikit-learn's classifiers refuse samples."""
    try:
        yield
    except A2pipeError:
        raise
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise A2pipeError(f"The head {head} cannot use these samples: {reason}") from error


def fit_head(head: Any, features: Features, samples: Samples) -> Any:
    """Fit a head on the training samples, and return it.

    The head is given the groups and the validation samples if it asks for them, see `uses`.
    features: float32 (N, d), in the order of `samples`.

    Raises:
        A2pipeError: features are not finite, or the head refuses them.
    """
    wanted = uses(head)
    # Samples stand in the order train, val, test, so that one slice holds all that may be seen.
    until = samples.part("val" if "validation" in wanted else "train").stop
    known = {
        "groups": samples.groups[:until],
        "validation": np.arange(until) >= samples.sizes["train"],
    }
    if not np.isfinite(features).all():
        raise A2pipeError("Some features are not finite, so no head can be fitted on them.")
    keywords = {name: known[name] for name in sorted(wanted)}
    return head.fit(features[:until], samples.labels[:until], **keywords)


def _warn_of_shared_images(samples: Samples) -> None:
    train, test = (samples.images[samples.part(split)] for split in ("train", "test"))
    shared = int(np.isin(test, train).sum())
    if shared:
        warnings.warn(f"{shared} test samples show an image of training too.", stacklevel=1)


def uses(head: Any) -> frozenset[str]:
    """Return which of KEYWORDS a head's fit is to be given: by its property `uses`, if it has one,
    else by the signature of `fit`."""
    declared = getattr(head, "uses", None)
    named = inspect.signature(head.fit).parameters if declared is None else declared
    return KEYWORDS & frozenset(named)


def _judged(head: Any, features: Features, samples: Samples, split: Split) -> Arrays:
    """Return the predictions on a split and what they are compared with, by array name."""
    part = samples.part(split)
    arrays: Arrays = {
        "index": samples.index[part],
        "labels": samples.labels[part],
        "groups": samples.groups[part],
        "images": samples.images[part],
        "predictions": np.asarray(head.predict(features[part]), np.int64),
    }
    if hasattr(head, "predict_proba"):
        arrays["probabilities"] = _probabilities(head, features[part], len(samples.class_names))
    return {f"{split}_{name}": values for name, values in arrays.items()}


def _probabilities(head: Any, features: Features, classes: int) -> NDArray[np.float32]:
    """Return probabilities of all classes, (n, classes); 0 for those the head was not fitted on."""
    found = np.asarray(head.predict_proba(features), np.float32)
    whole = np.zeros((len(found), classes), np.float32)
    whole[:, np.asarray(head.classes_, np.int64)] = found
    return whole


def _findings(head: Any) -> dict[str, Any]:
    """Return what a head found out while fitted, as far as JSON holds it: C_, n_iter_, ..."""
    found = {name: _plain(value) for name, value in vars(head).items() if name.endswith("_")}
    return {name: value for name, value in sorted(found.items()) if value is not None}


def _plain(value: Any) -> Any:
    """Return a small value as JSON has it; None for one that is large or has no JSON."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist() if value.size <= LARGEST_FINDING else None
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return value
