"""Limits of shares against the Beta distribution and exact tests, and by what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from a2pipe.metrics.binomial import mean_limits, share_limits, worst_limits

groups = st.lists(
    st.tuples(st.integers(1, 400), st.floats(0, 1)).map(lambda g: (g[0], round(g[0] * g[1]))),
    min_size=1,
    max_size=6,
)


def counts(drawn: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Right ones and sizes."""
    sizes, hits = np.array(drawn).T
    return hits, sizes


@pytest.mark.parametrize(("hits", "n"), [(7, 10), (299, 642), (1, 3), (2.5, 7.5)])
def test_limits_are_quantiles_of_the_jeffreys_posterior(hits, n):
    low, high = share_limits(hits, n, 0.025)
    posterior = stats.beta(hits + 0.5, n - hits + 0.5)
    assert (low, high) == pytest.approx(posterior.ppf([0.025, 0.975]), abs=1e-12)


@pytest.mark.parametrize("n", [1, 11, 150])
def test_all_right_has_the_exact_lower_limit_and_none_right_the_exact_upper_one(n):
    low, high = share_limits(n, n, 0.025)
    exact = stats.binomtest(n, n).proportion_ci(0.95, method="exact")
    assert (low, high) == pytest.approx((exact.low, 1.0))
    assert share_limits(0, n, 0.025) == pytest.approx((0.0, 1 - exact.low))


def test_of_one_group_every_interval_is_that_of_its_share():
    expected = share_limits(90, 120, 0.025)
    assert worst_limits([90], [120]) == pytest.approx(expected)
    assert mean_limits([90], [120]) == pytest.approx(expected)


def test_a_group_that_is_clearly_worst_decides_alone():
    assert worst_limits([90, 590, 599], [120, 600, 600]) == pytest.approx(
        share_limits(90, 120, 0.025)
    )


def test_rivals_for_the_worst_place_raise_the_upper_limit_and_leave_the_lower():
    low, high = worst_limits([90, 90, 90], [120, 120, 120])
    assert low == pytest.approx(share_limits(90, 120, 0.025)[0])
    assert high == pytest.approx(share_limits(90, 120, 1 - 0.95 ** (1 / 3))[1])


def test_a_small_group_that_may_be_worst_lowers_the_lower_limit():
    low, _ = worst_limits([170, 10], [200, 11])
    assert low == pytest.approx(share_limits(10, 11, 0.025)[0])


def test_the_mean_has_the_standard_error_of_fixed_group_sizes():
    """Normal limits, stratified: far from 0 and 1, with many samples."""
    hits, sizes = np.array([9000, 2000]), np.array([10_000, 10_000])
    p = hits / sizes
    error = np.sqrt((p * (1 - p) / sizes / 4).sum())
    low, high = mean_limits(hits, sizes)
    assert (low, high) == pytest.approx((0.55 - 1.96 * error, 0.55 + 1.96 * error), abs=1e-4)


def test_shared_images_widen_the_interval_of_the_mean_as_fewer_samples_do():
    assert mean_limits([75.0], [100.0], effect=2.0) == pytest.approx(
        mean_limits([37.5], [50.0]), 0.01
    )


@settings(max_examples=60, deadline=None)
@given(groups)
def test_intervals_hold_what_was_observed_and_lie_in_the_unit_interval(drawn):
    hits, sizes = counts(drawn)
    for (low, high), seen in (
        (worst_limits(hits, sizes), (hits / sizes).min()),
        (mean_limits(hits, sizes), hits.sum() / sizes.sum()),
    ):
        assert 0 <= low <= seen + 1e-9
        assert seen - 1e-9 <= high <= 1
        assert low < high


@settings(max_examples=60, deadline=None)
@given(groups, st.randoms(use_true_random=False))
def test_the_order_of_groups_changes_nothing(drawn, random):
    mixed = random.sample(drawn, len(drawn))
    for limits in (worst_limits, mean_limits):
        assert limits(*counts(drawn)) == pytest.approx(limits(*counts(mixed)), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(groups)
def test_right_and_wrong_exchanged_mirror_the_interval_of_the_mean(drawn):
    hits, sizes = counts(drawn)
    low, high = mean_limits(hits, sizes)
    assert mean_limits(sizes - hits, sizes) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_many_test_sets_are_one_call():
    hits, sizes = np.array([[3, 8], [9, 2], [10, 10]]), np.array([10, 12])
    for limits in (worst_limits, mean_limits):
        low, high = limits(hits, sizes)
        single = np.array([limits(each, sizes) for each in hits])
        assert np.stack([low, high], axis=1) == pytest.approx(single)
