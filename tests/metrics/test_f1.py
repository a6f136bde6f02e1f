"""Macro F1 by hand."""

import numpy as np
import pytest

from a2pipe.errors import A2pipeError
from a2pipe.metrics.f1 import macro_f1


def test_by_hand():
    """Class 0: P 2/3, R 1; class 1: P 1, R 2/3; class 2: P 1, R 1."""
    found = macro_f1(np.array([0, 0, 1, 1, 1, 2]), np.array([0, 0, 0, 1, 1, 2]))
    assert found == pytest.approx((4 / 5 + 4 / 5 + 1) / 3)


def test_a_class_that_is_only_predicted_counts_as_zero():
    assert macro_f1(np.array([0, 0]), np.array([0, 1])) == pytest.approx((2 / 3 + 0) / 2)


def test_all_right_is_one_and_nothing_is_an_error():
    assert macro_f1(np.array([1, 4]), np.array([1, 4])) == 1
    with pytest.raises(A2pipeError, match="no sample"):
        macro_f1(np.array([]), np.array([]))
