"""Paired tests against scipy's, by hand, and for what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.metrics.paired import mcnemar_test, paired_bootstrap, permutation_test

GENERATOR = np.random.default_rng(11)
N = 200
GROUPS = np.repeat(np.arange(4), [80, 60, 40, 20])
BETTER = GENERATOR.random(N) < np.array([0.95, 0.9, 0.8, 0.7])[GROUPS]
WORSE = BETTER & (GENERATOR.random(N) < 0.85)
TESTS = (permutation_test, paired_bootstrap)


def worst(correct: np.ndarray, groups: np.ndarray) -> float:
    return min(correct[groups == group].mean() for group in np.unique(groups))


def outcomes(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong of two sets of predictions with these counts."""
    table = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    pairs = np.array(table, np.bool_)
    return pairs[:, 0], pairs[:, 1]


# --- McNemar ------------------------------------------------------------------------------------


def test_mcnemar_by_hand():
    """8 against 1: 2 (C(9, 0) + C(9, 1)) / 2^9."""
    found = mcnemar_test(*outcomes(20, 8, 1, 4))
    assert found.p == pytest.approx(2 * (1 + 9) / 512)
    assert found.difference == pytest.approx(7 / 33)
    assert found.resamples == 0


def test_without_discordant_samples_there_is_no_difference():
    assert mcnemar_test(*outcomes(5, 0, 0, 3)).p == 1


def test_mcnemar_refuses_samples_that_share_images():
    with pytest.raises(UsageError, match="share an image"):
        mcnemar_test(*outcomes(3, 2, 1, 0), images=np.array([0, 0, 1, 2, 3, 4]))
    assert mcnemar_test(*outcomes(3, 2, 1, 0), images=np.arange(6)).p == 1


# --- permutation --------------------------------------------------------------------------------


def test_of_accuracy_the_exact_permutation_test_is_mcnemars():
    for first, second in (outcomes(30, 9, 3, 8), outcomes(0, 6, 0, 0), outcomes(5, 4, 4, 5)):
        found = permutation_test(first, second, np.zeros(len(first), np.int64))
        assert found.resamples == 0
        assert found.p == pytest.approx(mcnemar_test(first, second).p)


@pytest.mark.parametrize("seed", range(4))
def test_of_the_worst_group_it_is_scipys(seed):
    generator = np.random.default_rng(seed)
    groups = np.repeat([0, 1, 2], [5, 4, 3])
    first, second = generator.random(12) < 0.8, generator.random(12) < 0.5

    def statistic(a, b):
        return worst(a, groups) - worst(b, groups)

    scipys = stats.permutation_test(
        (first, second), statistic, permutation_type="samples", vectorized=False, n_resamples=5000
    )
    found = permutation_test(first, second, groups, metric="worst")
    assert found.p == pytest.approx(scipys.pvalue)
    assert found.difference == pytest.approx(scipys.statistic)


def test_drawn_it_comes_near_the_exact_p():
    first, second = outcomes(60, 14, 6, 20)
    groups = np.arange(100) % 3
    exact = permutation_test(first, second, groups, metric="worst")
    drawn = permutation_test(first, second, groups, metric="worst", resamples=200)
    assert (exact.resamples, drawn.resamples) == (0, 200)
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p / 200))


def test_images_are_swapped_whole():
    """Ten images of five samples: one sample an image has the same answer."""
    first, second = outcomes(2, 6, 1, 1)
    groups = np.zeros(10, np.int64)
    by_image = permutation_test(
        np.repeat(first, 5), np.repeat(second, 5), np.repeat(groups, 5), np.repeat(np.arange(10), 5)
    )
    assert by_image.p == pytest.approx(permutation_test(first, second, groups).p)


def test_under_the_null_p_is_uniform_or_larger():
    generator = np.random.default_rng(1)
    p = []
    for _ in range(300):
        groups = generator.integers(0, 3, 60)
        first, second = generator.random((2, 60)) < 0.75
        p.append(permutation_test(first, second, groups, metric="worst", resamples=199).p)
    assert np.mean(np.array(p) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(p) <= 0.5) > 0.3


# --- bootstrap ----------------------------------------------------------------------------------


def test_the_bootstrap_of_accuracy_is_scipys():
    groups = np.zeros(N, np.int64)
    found = paired_bootstrap(BETTER, WORSE, groups, resamples=20_000)
    scipys = stats.bootstrap(
        (BETTER, WORSE),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=1,
    ).confidence_interval
    spread = np.std(BETTER.astype(float) - WORSE) / np.sqrt(N)
    assert (found.low, found.high) == pytest.approx((scipys.low, scipys.high), abs=0.3 * spread)


def test_its_p_counts_draws_beyond_zero():
    """Three of three discordant samples the same way: a draw has none with (1 - 3/10)^10."""
    found = paired_bootstrap(*outcomes(7, 3, 0, 0), np.zeros(10, np.int64), resamples=50_000)
    assert found.p == pytest.approx(2 * 0.7**10, rel=0.05)
    assert found.low == 0


def test_its_smallest_p_is_what_the_resamples_can_show():
    found = paired_bootstrap(*outcomes(1, 40, 0, 1), np.zeros(42, np.int64), resamples=999)
    assert found.p == pytest.approx(2 / 1000)


def test_the_worst_group_is_looked_for_in_every_draw():
    """Against a loop over draws of sample indices."""
    found = paired_bootstrap(BETTER, WORSE, GROUPS, metric="worst", resamples=4000)
    generator = np.random.default_rng(0)
    members = [np.flatnonzero(group == GROUPS) for group in range(4)]
    draws = []
    for _ in range(4000):
        drawn = np.concatenate([generator.choice(each, len(each)) for each in members])
        draws.append(worst(BETTER[drawn], GROUPS[drawn]) - worst(WORSE[drawn], GROUPS[drawn]))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)
    assert found.difference == pytest.approx(worst(BETTER, GROUPS) - worst(WORSE, GROUPS))


# --- both ---------------------------------------------------------------------------------------

cases = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 4))


def case(drawn: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    """Two sets of predictions, groups and images, of a few samples."""
    seed, n, groups = drawn
    generator = np.random.default_rng(seed)
    first, second = generator.random((2, n)) < 0.7
    return first, second, generator.integers(0, groups, n), generator.integers(0, n, n)


@settings(max_examples=60, deadline=None)
@given(cases, st.sampled_from(["accuracy", "worst"]))
def test_exchanging_the_two_turns_the_sign_and_keeps_p(drawn, metric):
    first, second, groups, images = case(drawn)
    for test in TESTS:
        one = test(first, second, groups, images, metric=metric, resamples=99)
        other = test(second, first, groups, images, metric=metric, resamples=99)
        assert one.difference == -other.difference
        assert (one.first, one.second) == (other.second, other.first)
        assert 0 < one.p <= 1
    exact = permutation_test(first, second, groups, images, metric=metric, resamples=10**6)
    mirror = permutation_test(second, first, groups, images, metric=metric, resamples=10**6)
    assert exact.p == pytest.approx(mirror.p)


@settings(max_examples=60, deadline=None)
@given(cases, st.sampled_from(["accuracy", "worst"]))
def test_the_order_of_samples_and_the_names_of_images_change_nothing(drawn, metric):
    first, second, groups, images = case(drawn)
    order = np.random.default_rng(0).permutation(len(first))
    for test in TESTS:
        one = test(first, second, groups, images, metric=metric, resamples=99)
        mixed = (first[order], second[order], groups[order], 7 - 3 * images[order])
        assert test(*mixed, metric=metric, resamples=99) == one


@pytest.mark.parametrize("test", TESTS)
def test_equal_predictions_do_not_differ(test):
    found = test(BETTER, BETTER, GROUPS, metric="worst", resamples=99)
    assert (found.difference, found.p) == (0, 1)


@pytest.mark.parametrize("test", TESTS)
def test_one_sample_shows_nothing(test):
    one, other = np.array([True]), np.array([False])
    assert permutation_test(one, other, np.array([0])).p == 1
    assert test(one, one, np.array([0]), metric="worst").p == 1


@pytest.mark.parametrize("test", TESTS)
def test_samples_without_a_group_count_for_accuracy_alone(test):
    groups = np.where(GROUPS == 3, -1, GROUPS)
    kept = groups >= 0
    found = test(BETTER, WORSE, groups, metric="worst", resamples=99)
    assert found == test(BETTER[kept], WORSE[kept], groups[kept], metric="worst", resamples=99)
    assert test(BETTER, WORSE, groups, resamples=99).first == pytest.approx(BETTER.mean())


@pytest.mark.parametrize("test", TESTS)
def test_nothing_to_compare_is_an_error(test):
    with pytest.raises(A2pipeError, match="no sample to compare"):
        test(BETTER, WORSE, np.full(N, -1), metric="worst")
    with pytest.raises(ValueError, match="differ in number"):
        test(BETTER, WORSE[:-1], GROUPS)


@pytest.mark.parametrize("test", TESTS)
def test_the_seed_decides(test):
    def p(seed: int) -> float:
        return test(BETTER, WORSE, GROUPS, metric="worst", resamples=499, seed=seed).p

    assert p(3) == p(3)
    assert len({p(seed) for seed in range(8)}) > 1
