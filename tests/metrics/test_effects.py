"""Cohen's d by its formula, Wilcoxon by counting all signs, and degenerate pairs."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2pipe.metrics.effects import cohen_d_paired, cohen_d_pooled, wilcoxon_test

FIRST, SECOND = [0.9, 0.8, 0.95, 0.7], [0.8, 0.75, 0.8, 0.7]


def test_paired_d_by_formula():
    differences = [0.1, 0.05, 0.15, 0.0]
    mean = sum(differences) / 4
    deviation = math.sqrt(sum((each - mean) ** 2 for each in differences) / 3)
    assert cohen_d_paired(FIRST, SECOND) == pytest.approx(mean / deviation)


def test_pooled_d_by_formula():
    def variance(values: list[float]) -> float:
        mean = sum(values) / 4
        return sum((each - mean) ** 2 for each in values) / 3

    pooled = math.sqrt((variance(FIRST) + variance(SECOND)) / 2)
    assert cohen_d_pooled(FIRST, SECOND) == pytest.approx(0.075 / pooled)


def test_shifted_samples_have_the_shift_in_standard_deviations():
    values = np.random.default_rng(0).normal(0, 3, 20_000)
    assert cohen_d_pooled(values + 1.5, values) == pytest.approx(0.5, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=6))
def test_exchanging_the_two_turns_the_sign(pairs):
    first, second = zip(*pairs, strict=True)
    for d in (cohen_d_paired, cohen_d_pooled):
        assert d(first, second) == pytest.approx(-d(second, first), nan_ok=True)
    assert wilcoxon_test(first, second) == wilcoxon_test(second, first)


@pytest.mark.parametrize("d", [cohen_d_paired, cohen_d_pooled])
def test_without_spread_there_is_no_d(d):
    assert math.isnan(d([0.5], [0.4]))
    assert math.isnan(d([0.7, 0.7], [0.6, 0.6]))


def test_wilcoxon_counts_all_signs():
    """Ranks 1 to 6, those of 2 and 5 negative: W = 7 among all 64 signs."""
    differences = np.array([1, -2, 3, 4, -5, 6]) / 10
    ranks = [1, 2, 3, 4, 5, 6]
    sums = [
        sum(r for r, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=6)
    ]
    p = 2 * sum(each <= 7 for each in sums) / 64
    found = wilcoxon_test(differences, np.zeros(6))
    assert (found.statistic, found.n) == (7, 6)
    assert found.p == pytest.approx(p)


def test_pairs_without_difference_are_dropped():
    assert wilcoxon_test([1, 2, 3, 9], [0, 0, 0, 9]) == wilcoxon_test([1, 2, 3], [0, 0, 0])
    nothing = wilcoxon_test([1.0, 2.0], [1.0, 2.0])
    assert (nothing.p, nothing.n) == (1, 0)


@pytest.mark.parametrize("measure", [cohen_d_paired, cohen_d_pooled, wilcoxon_test])
def test_unequal_numbers_are_no_pairs(measure):
    with pytest.raises(ValueError, match="no pairs"):
        measure([1, 2, 3], [1, 2])
