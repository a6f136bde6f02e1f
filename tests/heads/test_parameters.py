"""What is a number, a whole number, a share, a list or a known word, and what is not."""

import numpy as np
import pytest

from a2pipe.errors import UsageError
from a2pipe.heads.parameters import (
    check_choice,
    check_flag,
    check_positive,
    check_positives,
    check_share,
    check_whole,
)


@pytest.mark.parametrize("value", [1, 0.5, np.float32(2), np.int64(3)])
def test_positive_numbers(value):
    check_positive("kNN", "C", value)
    check_positives("kNN", "Cs", [value, value])


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "1", True, None])
def test_no_positive_numbers(value):
    with pytest.raises(UsageError, match="The kNN head takes a positive number as C, not "):
        check_positive("kNN", "C", value)
    with pytest.raises(UsageError, match="takes a positive number as each of Cs, not "):
        check_positives("kNN", "Cs", [1, value])


@pytest.mark.parametrize("values", [[], (), 1.0, "1", None])
def test_no_list_of_numbers(values):
    with pytest.raises(UsageError, match="takes a list of numbers as Cs, not "):
        check_positives("kNN", "Cs", values)


def test_whole_numbers_from_the_least_on():
    check_whole("kNN", "k", np.int64(1))
    check_whole("kNN", "seed", 0, least=0)
    for wrong in (0, 1.0, True, "1"):
        with pytest.raises(UsageError, match="a whole number of at least 1 as k, not "):
            check_whole("kNN", "k", wrong)


def test_shares_are_between_0_and_1():
    check_share("kNN", "p", 0.999)
    for wrong in (0, 1, -0.5, float("nan"), "0.5"):
        with pytest.raises(UsageError, match="a number between 0 and 1 as p, not "):
            check_share("kNN", "p", wrong)


def test_words_are_those_that_are_named():
    check_choice("kNN", "metric", "cosine", ("cosine", "euclidean"))
    with pytest.raises(UsageError, match="kNN head has no metric 'l1': use 'cosine' or 'euclid"):
        check_choice("kNN", "metric", "l1", ("cosine", "euclidean"))


def test_flags_are_true_or_false():
    check_flag("kNN", "weighting", np.bool_(False))
    for wrong in (0, 1, "yes", None):
        with pytest.raises(UsageError, match="kNN head takes true or false as weighting, not "):
            check_flag("kNN", "weighting", wrong)
