"""Groups that are a class in a place."""

from collections.abc import Callable
from pathlib import Path

from a2pipe.datasets.benchmarks.class_in_place import ClassInPlace, read_groups
from a2pipe.datasets.request import Request

CLASSES, GROUPS = ("cat", "dog"), ("cat indoor", "cat outdoor", "dog indoor", "dog outdoor")
REQUEST = Request("pets", None, {}, None, None)


def test_a_group_is_named_by_class_and_place() -> None:
    assert ClassInPlace("train", "dog", "outdoor").group == "dog outdoor"


def test_labels_groups_and_splits_follow_what_is_shown(write: Callable[..., Path]) -> None:
    dog, cat = str(write("7.png")), str(write("9.png"))
    found = read_groups(
        REQUEST,
        [
            (ClassInPlace("train", "dog", "outdoor"), dog, "7"),
            (ClassInPlace("test", "cat", "outdoor"), cat, "9"),
        ],
        CLASSES,
        GROUPS,
    )
    assert (found.name, found.paths, found.image_ids) == ("pets", (dog, cat), ("7", "9"))
    assert (found.labels.tolist(), found.groups.tolist()) == ([1, 0], [3, 1])
    assert found.splits.tolist() == ["train", "test"]
    assert [boxes.shape for boxes in found.boxes] == [(0, 4)] * 2


def test_no_images_are_an_empty_collection() -> None:
    assert len(read_groups(REQUEST, [], CLASSES, GROUPS)) == 0
