"""Measure a fitted head once: what its record keeps beside the predictions."""

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from ...errors import A2pipeError
from ...metrics.calibration import expected_calibration_error
from ...metrics.f1 import macro_f1
from ...metrics.groups import adjusted_average, balanced, per_class, per_group
from .samples import Samples


def measures(
    samples: Samples, predictions: NDArray[np.int64], probabilities: NDArray[np.float32] | None
) -> dict[str, float]:
    """Return measures of the test samples by name, in [0, 1].

    predictions: int64 (n,), class indices; probabilities: float32 (n, classes), or None for a head
    that gives none.

    There are balanced_accuracy and macro_f1; adjusted_accuracy, unless a training group has no test
    sample; and ece, if the head gives probabilities.
    """
    part = samples.part("test")
    truth, groups = samples.labels[part], samples.groups[part]
    found = {
        "balanced_accuracy": balanced(per_class(truth, predictions, samples.class_names)),
        "macro_f1": macro_f1(truth, predictions),
    }
    trained = samples.groups[samples.part("train")]
    sizes = np.bincount(trained[trained >= 0], minlength=len(samples.group_names))
    by_group = per_group(truth, predictions, groups, samples.group_names)
    with suppress(A2pipeError):
        found["adjusted_accuracy"] = adjusted_average(by_group, sizes.tolist())
    if probabilities is not None:
        found["ece"] = expected_calibration_error(truth, probabilities)
    return found
