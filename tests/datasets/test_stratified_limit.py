"""Few samples that still show every group in every split."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.datasets.stratified_limit import proportional_counts, stratified_indices


@pytest.mark.parametrize(
    ("counts", "n", "dealt"),
    [
        ([60, 30, 10], 10, [6, 3, 1]),
        ([998, 1, 1], 10, [8, 1, 1]),
        ([5, 5, 5], 2, [1, 1, 0]),
        ([2, 2], 4, [2, 2]),
        ([50, 50], 5, [3, 2]),
        ([100, 9, 1], 10, [8, 1, 1]),
    ],
)
def test_dealt_by_hand(counts: list[int], n: int, dealt: list[int]) -> None:
    assert proportional_counts(np.array(counts), n).tolist() == dealt


@given(counts=st.lists(st.integers(1, 1000), min_size=1, max_size=12), data=st.data())
def test_dealing_invariants(counts: list[int], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, sum(counts)))
    dealt = proportional_counts(np.array(counts), n)
    assert dealt.sum() == n
    assert (dealt <= counts).all()
    assert (dealt >= 1).all() or n < len(counts)


def test_the_first_samples_of_each_part_stay_in_their_order() -> None:
    parts = np.array([1, 0, 1, 0, 1, 0])
    assert stratified_indices(parts, np.full(6, "train"), 4).tolist() == [0, 1, 2, 3]


def test_a_tight_limit_keeps_training_samples_of_what_it_tests() -> None:
    parts, splits = np.array([0, 1] * 20), np.array(["test"] * 20 + ["train"] * 20)
    kept = stratified_indices(parts, splits, 3)
    trained = {parts[i] for i in kept if splits[i] == "train"}
    assert {parts[i] for i in kept if splits[i] == "test"} <= trained
