"""Which samples are DFR's pool, when it will not do, and the sentences on its weaknesses."""

import numpy as np
import pytest

from a2pipe.heads.fitting.pool import (
    GroupedSamples,
    check_pool,
    first_five,
    note_absent_groups,
    note_small_draw,
    note_unscored_groups,
    pool_and_train,
)
from a2pipe.heads.fitting.samples import SamplesError

GROUPS = np.array([0, 0, 1, 1, 2, 2, 2, -1])
LABELS = np.array([0, 0, 1, 1, 0, 0, 0, 1])
SAMPLES = GroupedSamples(np.zeros((8, 1)), LABELS, GROUPS, classes=2)
NAMES = np.array(["cat", "dog"])
MASK = np.array([True, False, False, True])


@pytest.mark.parametrize(("variant", "pool"), [("val", [0, 3]), ("train", [1, 2])])
def test_the_pool_is_one_side_of_the_mask(variant, pool):
    rows, train = pool_and_train(MASK, 4, variant)
    assert rows.tolist() == pool
    assert train.tolist() == [1, 2]


@pytest.mark.parametrize(("variant", "train"), [("val", []), ("train", [0, 1, 2])])
def test_without_a_mask_every_sample_is_in_the_pool(variant, train):
    rows, training = pool_and_train(None, 3, variant)
    assert rows.tolist() == [0, 1, 2]
    assert training.tolist() == train


@pytest.mark.parametrize(("variant", "other"), [("val", "train"), ("train", "val")])
def test_an_empty_pool_is_refused_with_the_other_variant(variant, other):
    with pytest.raises(SamplesError, match=f"there are none: use variant '{other}'"):
        pool_and_train(np.full(3, variant == "train"), 3, variant)


def test_a_pool_needs_a_group_for_each_sample_and_every_class():
    check_pool(SAMPLES, np.arange(7), NAMES)
    with pytest.raises(SamplesError, match="1 of the 8 samples of DFR's pool have no group"):
        check_pool(SAMPLES, np.arange(8), NAMES)
    with pytest.raises(SamplesError, match="has none of class dog"):
        check_pool(SAMPLES, np.array([0, 1, 4]), NAMES)


def test_groups_that_only_other_samples_have_are_noted():
    assert note_absent_groups(SAMPLES, np.arange(7)) == []
    (note,) = note_absent_groups(SAMPLES, np.arange(4))
    assert "has none of group 2" in note
    assert "only the 2 groups it has are balanced" in note


def test_groups_that_a_part_of_the_split_lacks_are_noted_for_that_part():
    pool, scored, rest = np.arange(7), np.array([0, 2, 4]), np.array([1, 3])
    assert note_unscored_groups(SAMPLES, pool, scored, np.array([1, 3, 5])) == []
    (note,) = note_unscored_groups(SAMPLES, pool, scored, rest)
    assert note.startswith("C was chosen without 1 of DFR's 3 groups: the 2 samples fitted")


def test_a_draw_of_a_handful_names_the_smallest_group():
    groups = np.repeat([4, 9], [30, 5])
    assert note_small_draw(10, groups, "averages fits to") == []
    (note,) = note_small_draw(5, groups, "averages fits to")
    assert "averages fits to 5 samples of each of 2 groups (10 of 35), because group 9" in note


def test_a_long_list_is_cut_after_five():
    assert first_five(np.arange(5)) == "0, 1, 2, 3, 4"
    assert first_five(np.arange(9)) == "0, 1, 2, 3, 4 and 4 more"
