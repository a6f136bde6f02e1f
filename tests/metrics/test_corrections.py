"""Corrections by hand, their order, and the resamples that a family needs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.errors import UsageError
from a2pipe.metrics.corrections import (
    bonferroni,
    check_resolution,
    holm,
    resamples_needed,
    uncorrected,
)

families = st.lists(st.floats(0, 1), max_size=12)


def test_bonferroni_by_hand():
    assert bonferroni([0.01, 0.2, 0.5]) == pytest.approx([0.03, 0.6, 1.0])


def test_holm_by_hand():
    """0.01 x 4, 0.02 x 3, 0.03 x 2, 0.02 x 1 raised to 0.06."""
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_a_family_of_one_stays_as_it_is():
    for correct in (holm, bonferroni, uncorrected):
        assert correct([0.03]) == pytest.approx([0.03])


@given(families)
def test_holm_lies_between_the_raw_values_and_bonferronis(p):
    assert (holm(p) >= uncorrected(p)).all()
    assert (holm(p) <= bonferroni(p)).all()


@given(families)
def test_holm_keeps_the_order(p):
    order = np.argsort(p, kind="stable")
    assert (np.diff(holm(p)[order]) >= 0).all()


@given(families)
def test_holm_rejects_what_the_stepwise_procedure_rejects(p):
    """Against Holm's own description: go on while the i-th smallest is at most alpha / (m - i)."""
    alpha, left = 0.05, sorted(p)
    while left and left[0] * len(left) <= alpha:
        left.pop(0)
    assert (holm(p) <= alpha).sum() == len(p) - len(left)


@pytest.mark.parametrize("p", [[0.5, 1.2], [-0.1], [float("nan")]])
def test_what_is_no_p_value_is_refused(p):
    for correct in (holm, bonferroni, uncorrected):
        with pytest.raises(ValueError, match="between 0 and 1"):
            correct(p)


def test_resamples_needed_are_two_comparisons_over_alpha():
    assert resamples_needed(22, 0.005) == 8800
    assert resamples_needed(25, 0.005) == 10_000
    assert resamples_needed(25, 0.005, "none") == 400
    assert resamples_needed(1, 0.03) == 67


@given(st.integers(1, 500), st.floats(1e-4, 0.5))
def test_with_the_resamples_needed_the_smallest_p_passes(comparisons, alpha):
    needed = resamples_needed(comparisons, alpha)
    smallest = 2 / (needed + 1)
    assert holm([min(smallest, 1.0)] * comparisons).max() <= alpha


def test_too_few_resamples_are_refused_with_the_number_needed():
    check_resolution(10_000, 25, 0.005)
    with pytest.raises(UsageError, match=r"at least 10,400\."):
        check_resolution(10_000, 26, 0.005)
    check_resolution(10_000, 26, 0.005, "none")
