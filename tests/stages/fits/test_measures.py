"""What is measured of a head once, by hand."""

import numpy as np
import pytest

from a2pipe.stages.fits.measures import measures
from a2pipe.stages.fits.samples import samples_of_collection

from .test_samples import collection

LABELS = [0, 0, 0, 1, 0, 0, 0, 1]
SPLITS = ["train"] * 4 + ["test"] * 4


def samples(groups):
    return samples_of_collection(collection(LABELS, SPLITS, groups))


def test_measures_by_hand():
    """Test labels 0 0 0 1 are predicted 0 0 1 1; groups g g g h, of which g has 3 of 4 training
    samples."""
    found = measures(samples([0, 0, 0, 1] * 2), np.array([0, 0, 1, 1]), None)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found["adjusted_accuracy"] == pytest.approx(3 / 4 * 2 / 3 + 1 / 4)
    assert "ece" not in found


def test_the_calibration_error_needs_probabilities():
    shares = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    found = measures(samples([0, 0, 0, 1] * 2), np.array([0, 0, 1, 1]), shares)
    assert found["ece"] == pytest.approx(1 / 4)


def test_the_adjusted_accuracy_needs_test_samples_of_every_training_group():
    found = measures(samples([0, 1, 0, 1, 0, 0, 0, 0]), np.array([0, 0, 1, 1]), None)
    assert "adjusted_accuracy" not in found
