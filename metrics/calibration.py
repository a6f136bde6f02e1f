"""Measure whether probabilities mean what they say: expected calibration error and its bins."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError

BINS = 15  # as Guo et al. use


@dataclass(frozen=True)
class CalibrationBin:
    """A CalibrationBin describes the samples whose confidence lies in (low, high].

    n: how many there are. confidence: their mean confidence. accuracy: share of them whose
    prediction is right. Both are NaN if n is 0.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def expected_calibration_error(
    labels: NDArray[Any], probabilities: NDArray[Any], bins: int = BINS
) -> float:
    """Return the expected calibration error, in [0, 1].

    It is the mean over bins of the distance between confidence and accuracy, weighted by samples:
    ECE = sum over bins of n_b / N |accuracy_b - confidence_b| (Guo et al., "On Calibration of
    Modern Neural Networks", ICML 2017, equation 3). Arguments and errors as for `calibration_bins`.
    """
    filled = [each for each in calibration_bins(labels, probabilities, bins) if each.n]
    gaps = [each.n * abs(each.accuracy - each.confidence) for each in filled]
    return float(sum(gaps) / sum(each.n for each in filled))


def calibration_bins(
    labels: NDArray[Any], probabilities: NDArray[Any], bins: int = BINS
) -> list[CalibrationBin]:
    """Return `bins` bins of equal width, which divide samples by their confidence.

    The confidence of a sample is the probability of its predicted class. A confidence on an edge
    belongs to the bin below.

    labels: class indices (N,). probabilities: (N, classes) in [0, 1]; the predicted class is the
    most probable one, of equals the first.

    Raises A2pipeError if there is no sample or a probability lies outside [0, 1], and ValueError if
    the arrays do not fit each other.
    """
    table = np.asarray(probabilities, np.float64)
    if table.ndim != 2 or np.shape(labels) != table.shape[:1]:
        raise ValueError(f"probabilities {table.shape} for labels {np.shape(labels)}")
    if not len(table):
        raise A2pipeError("There is no sample to score: the split is empty.")
    if not ((table >= 0) & (table <= 1)).all():
        raise A2pipeError("Calibration needs probabilities, between 0 and 1; these are not.")
    confidence, right = table.max(axis=1), table.argmax(axis=1) == np.asarray(labels)
    # Bins are open below, so a confidence of 0 would belong to none; clip puts it into the first.
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    n = np.bincount(place, minlength=bins)
    means = [
        np.divide(np.bincount(place, values, bins), n, out=np.full(bins, np.nan), where=n > 0)
        for values in (confidence, right)
    ]
    edges = np.arange(bins + 1) / bins
    columns = (edges[:-1], edges[1:], n, *means)
    return [
        CalibrationBin(float(low), float(high), int(count), float(mean), float(share))
        for low, high, count, mean, share in zip(*columns, strict=True)
    ]
