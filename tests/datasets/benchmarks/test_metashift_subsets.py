"""MetaShift's table of subsets, and lists of contexts."""

import json
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from a2pipe.datasets.benchmarks.metashift_subsets import read_contexts, read_subsets
from a2pipe.errors import UsageError

GROUPS = ("cat indoor", "dog outdoor")


def written(folder: Path, table: Any) -> Path:
    path = folder / "full-candidate-subsets.pkl"
    path.write_bytes(pickle.dumps(table, 2))
    return path


def test_contexts_and_images(tmp_path: Path) -> None:
    table = defaultdict(set)
    table |= {"cat(sofa)": {"12", "3"}, "cat(fire hydrant)": {"7"}, "cat(a)": set()}
    table |= {"bobcat(sofa)": {"1"}, "cats(sofa)": {"2"}, "odd": {"9"}, "cat(": {"8"}}
    found = read_subsets(written(tmp_path, table))
    assert found.contexts("cat") == ["a", "fire hydrant", "sofa"]
    assert found.contexts("zebra") == []
    assert found.of("cat", "sofa") == {"3", "12"}
    assert found.of("cat", "a") == frozenset()


def test_lists_serve_as_sets(tmp_path: Path) -> None:
    found = read_subsets(written(tmp_path, {"cat(sofa)": ["3", "12", "3"]}))
    assert found.of("cat", "sofa") == {"3", "12"}


def test_one_set_under_many_names_is_looked_through_once(tmp_path: Path) -> None:
    """A small file can have a large set stand under very many names."""
    members = {"3", "12"}
    found = read_subsets(written(tmp_path, {"cat(sofa)": members, "cat(bed)": members}))
    assert found.of("cat", "sofa") == {"3", "12"}
    assert found.of("cat", "sofa") is found.of("cat", "bed")


def test_unknown_subset(tmp_path: Path) -> None:
    found = read_subsets(written(tmp_path, {"cat(sofa)": {"3"}}))
    with pytest.raises(UsageError, match=r"no subset 'cat\(sofas\)': did you mean 'cat\(sofa\)'"):
        found.of("cat", "sofas")
    with pytest.raises(UsageError, match=r"no subset 'zebra\(zoo\)': check its spelling"):
        found.of("zebra", "zoo")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "holds no table"),
        (["cat(sofa)"], "holds no table"),
        ({7: {"1"}}, "the entry '7' is not a name with its images"),
        ({"cat(sofa)": "123"}, "is not a name with its images"),
        ({"cat(sofa)": {"1": "2"}}, "is not a name with its images"),
        (
            {"cat(sofa)": {"../../etc/passwd"}},
            r"an image that is no id of letters and digits \('../../",
        ),
        ({"cat(sofa)": {"a/b"}}, "no id"),
        ({"cat(sofa)": {""}}, "no id"),
        ({"cat(sofa)": {"1\n"}}, "no id"),
        ({"cat(sofa)": {12}}, r"no id of letters and digits \(int\)"),
        ({"cat(sofa)": [["1"]]}, r"no id of letters and digits \(list\)"),
    ],
)
def test_other_tables(tmp_path: Path, table: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_subsets(written(tmp_path, table))
    assert "\n" not in str(caught.value)


def test_contexts_of_both_formats_and_spellings(tmp_path: Path) -> None:
    toml, as_json = tmp_path / "contexts.toml", tmp_path / "contexts.json"
    toml.write_text('"dog outdoor" = ["dog(snow)", "cat(x)"]\n"cat indoor" = ["sofa", "cat(bed)"]')
    as_json.write_text(json.dumps({"cat indoor": ["sofa", "bed"], "dog outdoor": ["snow"]}))
    assert read_contexts(toml, GROUPS) == {
        "cat indoor": ("sofa", "bed"),
        "dog outdoor": ("snow", "cat(x)"),
    }
    assert list(read_contexts(as_json, GROUPS)) == ["cat indoor", "dog outdoor"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not read as JSON or TOML"),
        ("[" * 100_000, "is not read as JSON or TOML"),
        ("[]", "should have these keys and no others: cat indoor, dog outdoor"),
        ('{"cat indoor": ["sofa"]}', "these keys and no others"),
        ('{"cat indoor": ["a"], "dog outdoor": ["b"], "x": ["c"]}', "these keys and no others"),
        ('{"cat indoor": [], "dog outdoor": ["b"]}', "'cat indoor' should be a list"),
        ('{"cat indoor": "sofa", "dog outdoor": ["b"]}', "'cat indoor' should be a list"),
        ('{"cat indoor": ["a"], "dog outdoor": [1]}', "'dog outdoor' should be a list"),
    ],
)
def test_other_lists_of_contexts(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "contexts.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_contexts(path, GROUPS)
    assert "\n" not in str(caught.value)


def test_no_list_of_contexts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.toml cannot be read \(No such file"):
        read_contexts(tmp_path / "none.toml", GROUPS)
