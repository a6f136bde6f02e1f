"""Names of classes, groups and splits as numbers."""

import pytest

from a2pipe.datasets.numbering import SPLIT_NAMES, name_indices, sorted_names


def test_whole_numbers_stand_in_their_order_and_words_by_code_point() -> None:
    assert sorted_names(["10", "9", "-1", "9", ""]) == ("-1", "9", "10")
    assert sorted_names(["b", "a", "Z", "10", "9"]) == ("10", "9", "Z", "a", "b")
    assert sorted_names(["01", "1", "0"]) == ("0", "01", "1")
    assert sorted_names([]) == ()


def test_an_empty_value_has_no_number() -> None:
    found = name_indices(["b", "", "a"], ("a", "b"))
    assert (found.dtype.name, found.tolist()) == ("int64", [1, -1, 0])
    with pytest.raises(KeyError):
        name_indices(["c"], ("a", "b"))


def test_words_for_splits() -> None:
    assert set(SPLIT_NAMES.values()) == {"train", "val", "test"}
    assert [SPLIT_NAMES[word] for word in ("training", "validation", "dev", "testing")] == [
        "train",
        "val",
        "val",
        "test",
    ]
