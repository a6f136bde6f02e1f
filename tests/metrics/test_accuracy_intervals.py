"""Intervals of one set of predictions: what they rest on, what must not change them, odd input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2pipe.errors import A2pipeError
from a2pipe.metrics.accuracy_intervals import accuracy_interval, cell_intervals, wga_interval
from a2pipe.metrics.binomial import mean_limits, worst_limits

HITS, SIZES = (45, 30, 58), (50, 40, 60)
GROUPS = np.repeat(np.arange(3), SIZES)
CORRECT = np.concatenate([np.arange(n) < k for k, n in zip(HITS, SIZES, strict=True)])


def test_they_are_the_limits_of_the_counts():
    found = cell_intervals(CORRECT, GROUPS)
    assert found.accuracy == pytest.approx(mean_limits(HITS, SIZES))
    assert found.wga == pytest.approx(worst_limits(HITS, SIZES))


def test_images_of_one_sample_each_are_no_images():
    images = np.random.default_rng(0).permutation(len(CORRECT))
    assert cell_intervals(CORRECT, GROUPS, images).accuracy == pytest.approx(
        cell_intervals(CORRECT, GROUPS).accuracy
    )
    assert wga_interval(CORRECT, GROUPS, images) == pytest.approx(wga_interval(CORRECT, GROUPS))


def test_every_sample_twice_is_as_good_as_once():
    """Copies that share their image add no evidence."""
    images = np.tile(np.arange(len(CORRECT)), 2)
    twice = np.tile(CORRECT, 2), np.tile(GROUPS, 2)
    assert wga_interval(*twice, images) == pytest.approx(wga_interval(CORRECT, GROUPS))
    assert accuracy_interval(*twice, images) == pytest.approx(
        accuracy_interval(CORRECT, GROUPS), abs=1e-3
    )
    low, high = accuracy_interval(*twice)
    assert high - low < 0.75 * np.diff(accuracy_interval(CORRECT, GROUPS))[0]


def test_samples_without_a_group_count_for_accuracy_alone():
    groups = np.where(GROUPS == 1, -1, GROUPS)
    assert wga_interval(CORRECT, groups) == pytest.approx(worst_limits((45, 58), (50, 60)))
    assert accuracy_interval(CORRECT, groups) == pytest.approx(mean_limits(HITS, SIZES))


def test_without_groups_there_is_no_interval_of_wga():
    found = cell_intervals(CORRECT, np.full(len(CORRECT), -1))
    assert found.wga is None
    with pytest.raises(A2pipeError, match="No group"):
        wga_interval(CORRECT, np.full(len(CORRECT), -1))


@pytest.mark.parametrize("right", [True, False])
def test_one_sample_tells_little(right):
    low, high = wga_interval(np.array([right]), np.array([0]))
    assert (low, high) == pytest.approx((0.025, 1.0) if right else (0.0, 0.975))


def test_all_right_is_not_certainty():
    low, high = accuracy_interval(np.ones(600, np.bool_), np.arange(600) % 4)
    assert high == 1
    assert low == pytest.approx(0.025 ** (1 / 600))


def test_no_sample_is_an_error():
    with pytest.raises(A2pipeError, match="no sample"):
        accuracy_interval(np.array([], np.bool_), np.array([], np.int64))


def test_arrays_of_different_lengths_are_a_mistake():
    with pytest.raises(ValueError, match="differ in number"):
        cell_intervals(CORRECT, GROUPS[:-1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 5))
def test_the_order_of_samples_changes_nothing(seed, n, groups):
    generator = np.random.default_rng(seed)
    correct, group = generator.random(n) < 0.8, generator.integers(-1, groups, n)
    images, order = generator.integers(0, n, n), generator.permutation(n)
    first = cell_intervals(correct, group, images)
    mixed = cell_intervals(correct[order], group[order], images[order])
    assert mixed.accuracy == pytest.approx(first.accuracy, abs=1e-12)
    assert mixed.wga == pytest.approx(first.wga, abs=1e-12)


def percentiles(right, groups, images, seed=0):
    """Percentile intervals of accuracy and WGA from test sets resampled within groups, by image.

    Every image is of one group here. A loop over draws, and nothing of the package.
    """
    generator, draws = np.random.default_rng(seed), []
    _, place = np.unique(images, return_inverse=True)
    n, hits = np.bincount(place), np.bincount(place, weights=right)
    group = np.array([groups[images == image][0] for image in np.unique(images)])
    members = [np.flatnonzero(group == each) for each in np.unique(group)]
    for _ in range(1000):
        drawn = [generator.choice(each, len(each)) for each in members]
        shares = [hits[each].sum() / n[each].sum() for each in drawn]
        every = np.concatenate(drawn)
        draws.append((hits[every].sum() / n[every].sum(), min(shares)))
    return np.quantile(draws, (0.025, 0.975), axis=0).T


def test_resampling_agrees_where_one_group_is_clearly_worst():
    correct = np.concatenate([np.arange(400) < 300, np.arange(400) < 380])
    groups = np.repeat([0, 1], 400)
    accuracy, worst = percentiles(correct, groups, np.arange(800))
    computed = cell_intervals(correct, groups)
    assert worst == pytest.approx(computed.wga, abs=0.008)
    assert accuracy == pytest.approx(computed.accuracy, abs=0.006)


def test_resampling_by_image_widens_as_the_design_effect_says():
    generator = np.random.default_rng(3)
    images = np.repeat(np.arange(300), 3)
    correct = np.repeat(generator.random(300) < 0.7, 3)
    groups = np.zeros(900, np.int64)
    accuracy, _ = percentiles(correct, groups, images)
    assert accuracy == pytest.approx(accuracy_interval(correct, groups, images), abs=0.01)
