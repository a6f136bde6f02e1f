"""Bootstrap intervals against scipy's, against the binomial, and for what must not change them."""

import numpy as np
import pytest
from scipy import stats

from a2pipe.metrics.mean_intervals import mean_intervals, resampled_means

GENERATOR = np.random.default_rng(7)


def test_agrees_with_scipy_within_the_error_of_drawing():
    values = GENERATOR.gamma(2.0, size=60)
    (found,) = mean_intervals([values], resamples=20_000, level=0.9)
    scipys = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, confidence_level=0.9, method="percentile", rng=1
    ).confidence_interval
    spread = values.std() / np.sqrt(60)
    assert found == pytest.approx([scipys.low, scipys.high], abs=0.05 * spread)


def test_of_hits_it_is_the_binomial():
    hits = np.repeat([1.0, 0.0], [30, 70])
    (found,) = mean_intervals([hits], resamples=50_000, seed=3)
    assert found == pytest.approx(stats.binom.ppf([0.025, 0.975], 100, 0.3) / 100, abs=0.0101)


def test_resampled_means_spread_as_the_mean_does():
    values = GENERATOR.normal(size=(500, 2))
    means = resampled_means(values, 4000, seed=0)
    assert means.shape == (4000, 2)
    assert means.std(axis=0) == pytest.approx(values.std(axis=0) / np.sqrt(500), rel=0.05)


def test_every_draw_is_a_mean_of_n_of_the_images():
    values = np.eye(5)
    counts = 5 * resampled_means(values, 50, seed=1)
    assert np.allclose(counts, counts.round(), atol=1e-12)
    assert np.allclose(counts.sum(axis=1), 5)


def test_constants_and_single_images_have_no_width():
    found = mean_intervals([np.full(9, 0.4), np.array([0.7])])
    assert found == pytest.approx(np.array([[0.4, 0.4], [0.7, 0.7]]))


def test_without_values_there_is_no_interval():
    assert np.isnan(mean_intervals([np.empty(0)])).all()
    assert mean_intervals([]).shape == (0, 2)


def test_columns_of_the_same_images_share_every_draw():
    values = GENERATOR.random(40)
    alone, other, both = mean_intervals([values, GENERATOR.random(25), values + 2])
    assert both - 2 == pytest.approx(alone)
    assert mean_intervals([values]) == pytest.approx(alone[None])
    assert other[0] < other[1]


def test_how_many_draws_are_held_at_once_changes_nothing(monkeypatch):
    values = GENERATOR.random(50)
    whole = mean_intervals([values], resamples=200)
    monkeypatch.setattr("a2pipe.metrics.mean_intervals.DRAWS_AT_ONCE", 60)
    assert mean_intervals([values], resamples=200) == pytest.approx(whole, abs=1e-12)


def test_the_seed_decides():
    values = [GENERATOR.random(30)]
    assert (mean_intervals(values, seed=4) == mean_intervals(values, seed=4)).all()
    assert (mean_intervals(values, seed=4) != mean_intervals(values, seed=5)).any()
