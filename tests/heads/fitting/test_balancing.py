"""Splits and balanced draws: what is in them, for any group sizes, and what is drawn anew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.heads.fitting.balancing import (
    ATTEMPTS,
    balanced_draw,
    complete_draw,
    halve,
    smallest_group,
    split_by_group,
    worst_group_accuracy,
)
from a2pipe.heads.fitting.samples import SamplesError

some_groups = st.lists(st.integers(-1, 6), min_size=1, max_size=60).map(np.array)
seeds = st.integers(0, 1000).map(np.random.default_rng)


@given(st.integers(0, 50), seeds)
def test_a_half_is_the_smaller_and_the_two_are_all(n, generator):
    scored, rest = halve(n, generator)
    assert len(scored) == n // 2
    assert sorted([*scored, *rest]) == list(range(n))


@given(some_groups, seeds, st.floats(0.01, 0.99))
def test_the_share_is_that_of_every_group_and_something_stays(groups, generator, share):
    taken, others = split_by_group(groups, share, generator)
    assert sorted([*taken, *others]) == list(range(len(groups)))
    for group in set(groups.tolist()):
        size = (groups == group).sum()
        count = (groups[taken] == group).sum()
        assert count == size - 1 or abs(count - share * size) <= 0.5
        assert count < size


def test_a_fifth_of_ten_of_three_and_of_two():
    groups = np.repeat([7, 8, 9], [10, 3, 2])
    taken, _ = split_by_group(groups, 0.2, np.random.default_rng(0))
    assert groups[taken].tolist() == [7, 7, 8]


@given(some_groups, seeds)
def test_a_balanced_draw_has_as_many_of_every_group_as_the_smallest_has(groups, generator):
    rows = balanced_draw(groups, generator)
    _, sizes = np.unique(groups, return_counts=True)
    _, drawn = np.unique(groups[rows], return_counts=True)
    assert drawn.tolist() == [sizes.min()] * len(sizes)
    assert len(set(rows.tolist())) == len(rows)
    assert smallest_group(groups) == sizes.min()


def test_every_sample_of_a_large_group_is_as_likely_to_be_drawn():
    groups = np.repeat([0, 1], [2, 8])
    generator = np.random.default_rng(0)
    counts = sum(np.bincount(balanced_draw(groups, generator), minlength=10) for _ in range(4000))
    assert counts[:2].tolist() == [4000, 4000]
    assert np.abs(counts[2:] - 1000).max() < 5 * np.sqrt(4000 * 0.25 * 0.75)


def test_a_draw_that_misses_a_class_is_made_anew():
    groups = np.array([0, 0, 0, 1])  # one sample of each: sample 3 and one of the others
    labels = np.array([0, 0, 1, 0])
    for seed in range(20):
        rows = complete_draw(groups, labels, np.random.default_rng(seed))
        assert rows.tolist() == [2, 3]


def test_the_draw_made_anew_is_the_next_of_the_same_generator():
    groups, labels = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 0])
    for seed in range(20):
        generator, same = np.random.default_rng(seed), np.random.default_rng(seed)
        rows = balanced_draw(groups, same)
        while 2 not in rows:
            rows = balanced_draw(groups, same)
        complete_draw(groups, labels, generator)
        assert generator.random() == same.random()


def test_draws_that_can_never_hold_every_class_are_given_up():
    generator, same = np.random.default_rng(0), np.random.default_rng(0)
    groups, labels = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0])
    with pytest.raises(SamplesError, match="None of 20 balanced draws of 2 samples held all 3"):
        complete_draw(groups, labels, generator)
    for _ in range(ATTEMPTS):
        balanced_draw(groups, same)
    assert generator.random() == same.random()


@given(some_groups, seeds)
def test_the_worst_group_is_that_of_a_loop(groups, generator):
    correct = generator.random(len(groups)) < 0.5
    worst = min(correct[groups == group].mean() for group in set(groups.tolist()))
    assert worst_group_accuracy(correct, groups) == worst
