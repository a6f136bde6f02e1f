"""Expected calibration error against a loop over bins, on edges, and of perfect confidence."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2pipe.errors import A2pipeError
from a2pipe.metrics.calibration import calibration_bins, expected_calibration_error


def table(confidences: list[float]) -> np.ndarray:
    """Two classes, the first with these probabilities."""
    first = np.array(confidences)
    return np.stack([first, 1 - first], axis=1)


def test_by_hand():
    """Two bins filled: 0.9 right and 0.8 wrong in one, 0.6 wrong in the other."""
    found = expected_calibration_error(np.array([0, 1, 1]), table([0.9, 0.85, 0.6]), bins=5)
    assert found == pytest.approx(2 / 3 * abs(0.5 - 0.875) + 1 / 3 * 0.6)


def test_confident_and_right_is_perfect_and_confident_and_wrong_the_worst():
    sure = table([1.0, 1.0, 0.0])
    assert expected_calibration_error(np.array([0, 0, 1]), sure) == 0
    assert expected_calibration_error(np.array([1, 1, 0]), sure) == 1


def test_probabilities_that_mean_what_they_say_have_none_in_the_long_run():
    generator = np.random.default_rng(0)
    first = generator.random(200_000)
    labels = (generator.random(200_000) > first).astype(int)
    assert expected_calibration_error(labels, table(first)) < 0.01
    assert expected_calibration_error(labels, table(np.round(first))) > 0.2


def test_an_edge_belongs_to_the_bin_below():
    bins = calibration_bins(np.zeros(3, int), table([0.6, 0.8, 1.0]), bins=5)
    assert [each.n for each in bins] == [0, 0, 1, 1, 1]
    assert (bins[2].low, bins[2].high) == (0.4, 0.6)
    assert math.isnan(bins[0].accuracy)
    assert math.isnan(bins[0].confidence)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(2, 6), st.integers(1, 20))
def test_agrees_with_a_loop_over_bins(seed, n, classes, bins):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(classes), n)
    labels = generator.integers(0, classes, n)
    confidence = [max(row) for row in probabilities.tolist()]
    right = [
        row.tolist().index(max(row)) == y for row, y in zip(probabilities, labels, strict=True)
    ]
    error = 0.0
    for b in range(bins):
        inside = [i for i in range(n) if b / bins < confidence[i] <= (b + 1) / bins]
        if inside:
            gap = sum(right[i] for i in inside) - sum(confidence[i] for i in inside)
            error += abs(gap) / n
    assert expected_calibration_error(labels, probabilities, bins) == pytest.approx(error)


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(A2pipeError, match="between 0 and 1"):
        expected_calibration_error(np.array([0]), np.array([[3.0, -2.0]]))


def test_nothing_to_score_and_arrays_that_do_not_fit():
    with pytest.raises(A2pipeError, match="no sample"):
        expected_calibration_error(np.array([], int), np.empty((0, 2)))
    with pytest.raises(ValueError, match="probabilities"):
        expected_calibration_error(np.array([0, 1]), table([0.5]))
