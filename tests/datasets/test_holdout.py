"""Holding out a validation split: how many, which, and what stays together."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.datasets.collection import NO_BOXES, Collection
from a2pipe.datasets.holdout import hold_out
from a2pipe.errors import UsageError


def collection(
    groups: list[int], splits: list[str] | None = None, images: list[str] | None = None
) -> Collection:
    """One sample a group number (the class is group // 2); images by name, else distinct."""
    count = len(groups)
    names = images or [f"image {index}" for index in range(count)]
    digests = [hashlib.sha256(n.encode()).hexdigest()[:32] if n else "" for n in names]
    return Collection(
        name="birds",
        paths=tuple(f"/{index}.png" for index in range(count)),
        labels=np.array(groups, np.int64) // 2,
        class_names=("a", "b", "c"),
        groups=np.array(groups, np.int64),
        group_names=tuple("uvwxyz"),
        splits=np.array(splits or ["train"] * count, np.str_),
        boxes=(NO_BOXES,) * count,
        image_ids=tuple(map(str, range(count))),
        digests=tuple(digests),
        sizes=np.full((count, 2), 4),
        unreadable={},
    )


def moved(held: Collection) -> set[str]:
    return {held.digests[index] for index in np.flatnonzero(held.splits == "val")}


def test_the_fraction_of_every_group_moves() -> None:
    held = hold_out(collection([0] * 100 + [1] * 40 + [2] * 10), 0.2)
    counts = Counter(zip(held.splits.tolist(), held.groups.tolist(), strict=True))
    assert counts == {
        ("train", 0): 80, ("val", 0): 20, ("train", 1): 32, ("val", 1): 8,
        ("train", 2): 8, ("val", 2): 2,
    }  # fmt: skip


def test_a_small_group_gives_one_and_keeps_one() -> None:
    held = hold_out(collection([0] * 3 + [1] * 2 + [2]), 0.1)
    assert Counter(held.groups[held.splits == "val"].tolist()) == {0: 1, 1: 1}
    held = hold_out(collection([0] * 3 + [1] * 2 + [2]), 0.95)
    assert Counter(held.groups[held.splits == "train"].tolist()) == {0: 1, 1: 1, 2: 1}


def test_only_splits_change() -> None:
    before = collection([0, 1] * 10)
    held = hold_out(before, 0.5)
    assert held.digest != before.digest
    assert held.labels is before.labels
    assert held.paths == before.paths
    assert before.splits.tolist() == ["train"] * 20


def test_test_samples_stay_even_of_images_that_move() -> None:
    names = ["same", "same", *"abcdef"]
    held = hold_out(collection([0] * 8, ["train", "test", *["train"] * 6], names), 0.9)
    assert held.splits[1] == "test"


def test_classes_stand_in_for_groups() -> None:
    whole = collection([0] * 10 + [2] * 20)
    classes = Collection(**{**vars(whole), "groups": np.full(30, -1), "group_names": ()})
    held = hold_out(classes, 0.2)
    assert Counter(held.labels[held.splits == "val"].tolist()) == {0: 2, 1: 4}


def test_unreadable_files_stay() -> None:
    held = hold_out(collection([0] * 6, None, ["", "", *"abcd"]), 0.5)
    assert held.splits.tolist()[:2] == ["train", "train"]
    assert (held.splits == "val").sum() == 2


def test_the_seed_draws() -> None:
    whole = collection([0] * 50)
    assert moved(hold_out(whole, 0.5, 1)) == moved(hold_out(whole, 0.5, 1))
    assert moved(hold_out(whole, 0.5, 1)) != moved(hold_out(whole, 0.5, 2))


def test_the_draw_is_what_it_was() -> None:
    """Drawn once; another draw would silently change everybody's validation split."""
    held = hold_out(collection([0] * 12), 0.25)
    drawn = sorted(
        range(12), key=lambda i: hashlib.sha256(f"0 {held.digests[i]}".encode()).hexdigest()
    )
    assert set(np.flatnonzero(held.splits == "val").tolist()) == set(drawn[:3])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_wrong_fractions(fraction: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        hold_out(collection([0, 0]), fraction)


def test_a_validation_split_of_its_own_is_kept() -> None:
    with pytest.raises(UsageError, match="has a validation split of its own"):
        hold_out(collection([0, 0], ["train", "val"]), 0.5)


def test_nothing_to_hold_out() -> None:
    with pytest.raises(UsageError, match="no training images"):
        hold_out(collection([0, 0], ["test", ""]), 0.5)


SAMPLES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["train", "test"]), st.sampled_from("abcdefgh")),
    min_size=1,
    max_size=40,
)


@given(samples=SAMPLES, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 3), data=st.data())
def test_invariants(
    samples: list[tuple[int, str, str]], fraction: float, seed: int, data: st.DataObject
) -> None:
    """Images move whole, order is irrelevant, a larger fraction moves the same ones and more."""
    samples = [*samples, (0, "train", "z")]
    held = hold_out(collection(*map(list, zip(*samples, strict=True))), fraction, seed)
    splits: dict[str, set[str]] = {}
    for digest, split in zip(held.digests, held.splits.tolist(), strict=True):
        splits.setdefault(digest, set()).add(split)
    assert not any({"train", "val"} <= found for found in splits.values())
    shuffled = data.draw(st.permutations(samples))
    again = hold_out(collection(*map(list, zip(*shuffled, strict=True))), fraction, seed)
    assert moved(again) == moved(held)
    more = hold_out(collection(*map(list, zip(*samples, strict=True))), (1 + fraction) / 2, seed)
    assert moved(more) >= moved(held)
