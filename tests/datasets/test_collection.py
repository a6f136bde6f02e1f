"""Collections: what identifies one, parts of it, and whether a head can be fitted on it."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.datasets.collection import NO_BOXES, Collection, check_classes
from a2pipe.errors import UsageError


def collection(
    labels: list[int] = (0, 1),  # type: ignore[assignment]
    groups: list[int] | None = None,
    splits: list[str] | None = None,
    digests: list[str] | None = None,
) -> Collection:
    n = len(labels)
    return Collection(
        name="birds",
        paths=tuple(f"/data/{index}.jpg" for index in range(n)),
        labels=np.array(labels, np.int64),
        class_names=("land", "water"),
        groups=np.full(n, -1) if groups is None else np.array(groups, np.int64),
        group_names=("a", "b", "c", "d"),
        splits=np.array(splits or [""] * n, np.str_),
        boxes=(NO_BOXES,) * n,
        image_ids=tuple(str(index) for index in range(n)),
        digests=tuple(digests or [f"{index:032x}" for index in range(n)]),
        sizes=np.ones((n, 2), np.int64),
        unreadable={},
    )


def test_images_are_listed_once_in_order_of_appearance() -> None:
    found = collection([0, 0, 1, 1, 0], digests=["b", "", "a", "b", "a"])
    assert found.images == ("b", "a")
    assert found.path_of == {"b": "/data/0.jpg", "a": "/data/2.jpg"}


def test_digest_is_stable() -> None:
    assert collection([0, 1], splits=["train", "test"]).digest == "6bc27b58d03fbccffa4310e3b70a8246"


def test_digest_leaves_out_where_files_lie_and_how_text_is_stored() -> None:
    one = collection([0, 1], splits=["train", "test"])
    moved = replace(one, name="other", paths=("/x/0", "/x/1"), splits=one.splits.astype("<U40"))
    assert moved.digest == one.digest


@pytest.mark.parametrize(
    "change",
    [
        {"digests": ("x", "y")},
        {"labels": np.array([1, 0])},
        {"class_names": ("a", "b")},
        {"groups": np.array([0, 1])},
        {"group_names": ("x", "y")},
        {"splits": np.array(["train", "val"])},
        {"boxes": (np.array([[0.0, 0, 1, 1]]), NO_BOXES)},
        {"boxes": (NO_BOXES, np.array([[0.0, 0, 1, 1]]))},
        {"boxes": (NO_BOXES, np.array([[0.0, 0, 1, 2]]))},
    ],
)
def test_digest_tells_collections_apart(change: dict[str, object]) -> None:
    one = collection([0, 1])
    boxed = replace(one, boxes=(NO_BOXES, np.array([[0.0, 0, 2, 2]])))
    changed = replace(one, **change)
    assert len({one.digest, boxed.digest, changed.digest}) == 3


def test_take_by_index_keeps_the_given_order() -> None:
    part = collection([0, 1, 0]).take([2, 0])
    assert part.paths == ("/data/2.jpg", "/data/0.jpg")
    assert part.image_ids == ("2", "0")
    assert part.class_names == ("land", "water")


def test_take_keeps_the_sizes_in_annotations_which_are_not_in_the_digest() -> None:
    plain = collection([0, 1, 1])
    annotated = replace(plain, annotated=np.array([[1, 2], [3, 4], [0, 0]]))
    found = annotated.take([2, 0]).annotated
    assert found is not None
    assert found.tolist() == [[0, 0], [1, 2]]
    assert annotated.digest == plain.digest
    assert plain.take([1]).annotated is None


def test_take_by_mask_and_of_nothing() -> None:
    whole = collection([0, 1, 0])
    assert whole.take(np.array([True, False, True])).image_ids == ("0", "2")
    assert len(whole.take([])) == 0
    assert whole.take([]).images == ()
    assert len(whole.take([]).digest) == 32


def test_take_keeps_only_its_own_unreadable_files() -> None:
    whole = replace(collection([0, 1]), unreadable={"/data/0.jpg": "a", "/data/1.jpg": "b"})
    assert whole.take([1]).unreadable == {"/data/1.jpg": "b"}


# Limits


def test_limit_is_proportional() -> None:
    whole = collection([0] * 100, groups=[0] * 60 + [1] * 30 + [2] * 10)
    assert np.bincount(whole.limit(10).groups).tolist() == [6, 3, 1]


def test_limit_keeps_the_smallest_part() -> None:
    whole = collection([0] * 1000, groups=[0] * 998 + [1] + [2])
    assert np.bincount(whole.limit(10).groups).tolist() == [8, 1, 1]


def test_limit_keeps_order_and_takes_the_first_of_each_part() -> None:
    whole = collection([0] * 6, groups=[1, 0, 1, 0, 1, 0])
    assert whole.limit(4).image_ids == ("0", "1", "2", "3")


def test_limit_goes_by_class_where_there_are_no_groups() -> None:
    whole = collection([0] * 50 + [1] * 50)
    assert np.bincount(whole.limit(10).labels).tolist() == [5, 5]


def test_tight_limit_keeps_training_samples_of_every_class_it_tests() -> None:
    whole = collection([0, 1] * 20, splits=["test"] * 20 + ["train"] * 20)
    part = whole.limit(3)
    assert part.splits.tolist().count("train") == 2
    assert set(part.labels[part.splits == "test"]) <= set(part.labels[part.splits == "train"])


def test_limit_beyond_the_size_is_the_whole() -> None:
    whole = collection([0, 1])
    assert whole.limit(2) is whole
    assert whole.limit(50) is whole


@pytest.mark.parametrize("n", [0, -1])
def test_limit_has_to_leave_something(n: int) -> None:
    with pytest.raises(UsageError, match="give a positive number"):
        collection([0, 1]).limit(n)


@given(
    parts=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["train", "val", "test"])), min_size=1
    ),
    n=st.integers(1, 60),
)
def test_limit_invariants(parts: list[tuple[int, str]], n: int) -> None:
    groups, splits = [part[0] for part in parts], [part[1] for part in parts]
    whole = collection([0] * len(parts), groups=groups, splits=splits)
    part = whole.limit(n)
    kept = [int(name) for name in part.image_ids]
    assert len(part) == min(n, len(whole))
    assert kept == sorted(set(kept))
    if n >= len(set(parts)):
        assert {parts[index] for index in kept} == set(parts)


# Wrong collections


def test_fields_of_different_length() -> None:
    with pytest.raises(UsageError, match="Dataset birds: 1 labels for 2 samples"):
        replace(collection([0, 1]), labels=np.array([0]))


def test_masks_are_those_of_the_samples_and_not_in_the_digest() -> None:
    plain = collection()
    masked = replace(plain, masks=("/data/0.png", ""))
    assert masked.digest == plain.digest
    assert masked.take([1, 0]).masks == ("", "/data/0.png")
    assert plain.take([1]).masks == ()
    with pytest.raises(UsageError, match="1 masks for 2 samples"):
        replace(plain, masks=("/data/0.png",))


@pytest.mark.parametrize("labels", [[0, 2], [-2, 0]])
def test_label_without_a_name(labels: list[int]) -> None:
    with pytest.raises(UsageError, match="there are 2 names"):
        collection(labels)


def test_classes_that_a_head_can_be_fitted_on() -> None:
    check_classes(collection([0, 1, 0], splits=["train", "train", "test"]))


def test_class_of_the_test_split_alone() -> None:
    with pytest.raises(UsageError, match="no training sample of 'water', which the test split has"):
        check_classes(collection([0, 1], splits=["train", "test"]))


@pytest.mark.parametrize(("splits", "lacking"), [(["train"] * 2, "test"), (["", "test"], "train")])
def test_split_that_is_lacking(splits: list[str], lacking: str) -> None:
    with pytest.raises(UsageError, match=f"has no {lacking} samples"):
        check_classes(collection([0, 0], splits=splits))


def test_samples_without_a_label_cannot_be_fitted() -> None:
    with pytest.raises(UsageError, match="1 of 2 train samples have no label"):
        check_classes(collection([0, -1, 0], splits=["train", "train", "test"]))


# Size


@pytest.mark.slow
def test_a_million_samples_are_handled_in_seconds() -> None:
    n = 1_000_000
    rng = np.random.default_rng(0)
    whole = replace(
        collection([0]),
        paths=tuple(map(str, range(n))),
        labels=rng.integers(0, 2, n),
        groups=rng.integers(0, 4, n),
        splits=rng.choice(["train", "val", "test"], n),
        boxes=tuple(np.ones((n, 1, 4))),
        image_ids=tuple(map(str, range(n))),
        digests=tuple(f"{index:032x}" for index in range(n)),
        sizes=np.ones((n, 2), np.int64),
    )
    start = time.perf_counter()
    assert len(whole.digest) == 32
    assert len(whole.images) == n
    assert len(whole.limit(1000)) == 1000
    assert len(whole.take(np.arange(n)[::-1])) == n
    assert time.perf_counter() - start < 30
