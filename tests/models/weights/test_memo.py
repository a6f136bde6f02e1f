"""The file that remembers: a convenience, never a condition."""

import os

import pytest

from a2pipe.models.weights.memo import file_key, recall, remember, remembered


def test_what_was_remembered_is_recalled(tmp_path) -> None:
    memo = tmp_path / "deep" / "memo.json"
    remember(memo, "a", [1, 2])
    remember(memo, "b", {"x": 0.5})
    assert (recall(memo, "a"), recall(memo, "b"), recall(memo, "c")) == ([1, 2], {"x": 0.5}, None)
    assert [path.name for path in memo.parent.iterdir()] == ["memo.json"]


def test_without_a_memo_nothing_is_kept() -> None:
    remember(None, "a", 1)
    assert recall(None, "a") is None


def test_a_memo_that_cannot_be_written_is_done_without(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    remember(tmp_path / "file" / "memo.json", "a", 1)
    assert recall(tmp_path / "file" / "memo.json", "a") is None


def test_a_file_that_changed_has_another_key(tmp_path) -> None:
    path = tmp_path / "w"
    path.write_text("one")
    before = file_key(path)
    path.write_text("four")
    assert file_key(path) != before


def test_a_file_put_in_its_place_with_its_size_and_time_has_another_key(tmp_path) -> None:
    path, other = tmp_path / "w", tmp_path / "v"
    for file, text in ((path, "one"), (other, "two")):
        file.write_text(text)
        os.utime(file, (1e9, 1e9))
    before = file_key(path)
    other.replace(path)
    assert file_key(path) != before


def test_a_file_rewritten_with_its_time_set_back_has_another_key(tmp_path) -> None:
    path = tmp_path / "w"
    path.write_text("one")
    os.utime(path, (1e9, 1e9))
    before = file_key(path)
    path.write_text("two")
    os.utime(path, (1e9, 1e9))
    assert file_key(path) != before


def test_what_is_known_is_not_worked_out_again(tmp_path) -> None:
    memo = tmp_path / "memo.json"
    assert remembered(memo, "digest", str, lambda: "abc") == "abc"
    assert remembered(memo, "digest", str, lambda: pytest.fail("worked out again")) == "abc"
    assert remembered(None, "digest", str, lambda: "anew") == "anew"


def test_a_value_of_another_type_is_worked_out_again(tmp_path) -> None:
    memo = tmp_path / "memo.json"
    remember(memo, "same", "yes")
    assert remembered(memo, "same", bool, lambda: False) is False
    assert recall(memo, "same") is False
