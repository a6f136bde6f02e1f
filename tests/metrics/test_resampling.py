"""Units and their draws: totals against loops over samples, distributions against scipy."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from a2pipe.metrics import resampling
from a2pipe.metrics.resampling import all_swaps, gather_units, resampled_totals, swapped_totals

GENERATOR = np.random.default_rng(5)
FIRST, SECOND = GENERATOR.random(90) < 0.8, GENERATOR.random(90) < 0.6
GROUPS = np.repeat([0, 2, 5], 30)
IMAGES = np.concatenate([np.arange(30) // 2, 100 + np.arange(30), 200 + np.arange(30) // 3])


def everything(portions) -> np.ndarray:
    return np.concatenate(list(portions))


def test_totals_are_those_of_the_samples():
    for images in (None, IMAGES):
        totals = gather_units(FIRST, SECOND, GROUPS, images).totals
        expected = [(30, FIRST[g == GROUPS].sum(), SECOND[g == GROUPS].sum()) for g in (0, 2, 5)]
        assert totals.tolist() == [list(map(int, each)) for each in expected]


def test_units_that_are_alike_are_one_kind():
    units = gather_units(np.array([1, 1, 0]), np.array([1, 1, 0]), np.array([4, 4, 4]), None)
    assert sorted(units.counts.tolist()) == [1, 2]


def test_an_image_across_groups_is_drawn_whole_with_the_first():
    units = gather_units(np.ones(3), np.zeros(3), np.array([0, 1, 1]), np.array([8, 8, 9]))
    kinds = {
        kind.tobytes(): stratum for kind, stratum in zip(units.kinds, units.strata, strict=True)
    }
    shared = np.array([[1, 1, 0], [1, 1, 0]])
    alone = np.array([[0, 0, 0], [1, 1, 0]])
    assert kinds == {shared.tobytes(): 0, alone.tobytes(): 1}


def test_every_draw_has_as_many_samples_of_each_group():
    totals = everything(resampled_totals(gather_units(FIRST, SECOND, GROUPS, None), 200, seed=1))
    assert (totals[..., 0] == 30).all()


def test_images_are_drawn_whole():
    totals = everything(resampled_totals(gather_units(FIRST, SECOND, GROUPS, IMAGES), 200, seed=1))
    assert (totals[..., 0] == 30).all()
    images_alike = np.repeat(np.array([True, False] * 5), 3)
    units = gather_units(images_alike, images_alike, np.zeros(30), np.repeat(np.arange(10), 3))
    assert (everything(resampled_totals(units, 200, seed=1))[..., 1] % 3 == 0).all()


def test_draws_are_binomial_within_groups():
    totals = everything(resampled_totals(gather_units(FIRST, SECOND, GROUPS, None), 20_000, seed=2))
    for place, group in enumerate((0, 2, 5)):
        share = FIRST[group == GROUPS].mean()
        expected = 20_000 * stats.binom.pmf(np.arange(31), 30, share)
        seen = np.bincount(totals[:, place, 1].astype(int), minlength=31)
        likely = expected >= 5
        observed = [*seen[likely], seen[~likely].sum()]
        assert stats.chisquare(observed, [*expected[likely], expected[~likely].sum()]).pvalue > 1e-3


def test_draws_of_images_spread_as_drawing_them_one_by_one_does():
    """Against a loop that draws image indices."""
    units = gather_units(FIRST, SECOND, np.zeros(90), IMAGES)
    fast = everything(resampled_totals(units, 4000, seed=3))[:, 0, 1]
    names = np.unique(IMAGES)
    sums = np.array([FIRST[name == IMAGES].sum() for name in names])
    generator = np.random.default_rng(4)
    slow = sums[generator.integers(len(names), size=(4000, len(names)))].sum(axis=1)
    assert stats.ks_2samp(fast, slow).pvalue > 1e-3


def test_every_sample_its_own_image_is_no_image_at_all():
    plain, own = (gather_units(FIRST, SECOND, GROUPS, images) for images in (None, np.arange(90)))
    for draw in (resampled_totals, swapped_totals):
        first, second = everything(draw(plain, 50, seed=6)), everything(draw(own, 50, seed=6))
        assert (first == second).all()


def test_all_swaps_are_those_of_a_loop_over_samples():
    first, second = np.array([1, 1, 0, 1, 0]), np.array([0, 1, 1, 0, 0])
    groups, images = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 2, 2, 3])
    totals, chances = all_swaps(gather_units(first, second, groups, images), 100)
    found = Counter()
    for outcome, chance in zip(totals.astype(int), chances, strict=True):
        found[outcome.tobytes()] += chance
    expected = Counter()
    for swaps in np.ndindex(2, 2, 2, 2):
        turned = np.array(swaps, bool)[images]
        a, b = np.where(turned, second, first), np.where(turned, first, second)
        outcome = [
            [(groups == g).sum(), a[groups == g].sum(), b[groups == g].sum()] for g in (0, 1)
        ]
        expected[np.array(outcome).tobytes()] += 1 / 16
    assert found == pytest.approx(expected)


def test_too_many_swaps_are_not_listed():
    units = gather_units(FIRST, SECOND, GROUPS, None)
    outcomes, chances = all_swaps(units, 10**6)
    assert chances.sum() == pytest.approx(1)
    assert all_swaps(units, len(outcomes) - 1) is None


def test_random_swaps_have_the_distribution_of_all_swaps():
    units = gather_units(FIRST, SECOND, GROUPS, None)
    totals, chances = all_swaps(units, 10**6)
    right = everything(swapped_totals(units, 20_000, seed=7))[..., 1].sum(axis=1)
    mean = (totals[..., 1].sum(axis=1) * chances).sum()
    spread = np.sqrt((chances * (totals[..., 1].sum(axis=1) - mean) ** 2).sum())
    assert right.mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(20_000))
    assert right.std() == pytest.approx(spread, rel=0.03)


def test_draws_are_made_in_portions(monkeypatch):
    monkeypatch.setattr(resampling, "HELD", 100)
    portions = list(resampled_totals(gather_units(FIRST, SECOND, GROUPS, None), 25, seed=0))
    assert len(portions) > 1
    assert sum(map(len, portions)) == 25
