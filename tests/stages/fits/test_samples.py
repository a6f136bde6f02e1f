"""Which samples a head meets, and in which order."""

import numpy as np
import pytest

from a2pipe.datasets.collection import NO_BOXES, Collection
from a2pipe.errors import UsageError
from a2pipe.stages.fits.samples import grouping, samples_of_collection


def collection(labels, splits, groups=None, digests=None):
    """A collection of that many samples, of distinct images unless digests are given."""
    count = len(labels)
    given = np.full(count, -1) if groups is None else np.asarray(groups)
    return Collection(
        name="made up",
        paths=tuple(f"/{index}.png" for index in range(count)),
        labels=np.asarray(labels, np.int64),
        class_names=("a", "b"),
        groups=given.astype(np.int64),
        group_names=() if groups is None else ("g", "h", "empty"),
        splits=np.array(splits),
        boxes=(NO_BOXES,) * count,
        image_ids=tuple(map(str, range(count))),
        digests=tuple(digests or (f"{index:032x}" for index in range(count))),
        sizes=np.full((count, 2), 8),
        unreadable={},
    )


def test_training_samples_come_first_then_validation_then_test():
    splits = ["test", "train", "val", "train", "test"]
    samples = samples_of_collection(collection([0, 0, 1, 1, 1], splits, [0, 0, 1, 1, 1]))
    assert samples.index.tolist() == [1, 3, 2, 0, 4]
    assert samples.labels.tolist() == [0, 1, 1, 0, 1]
    assert samples.groups.tolist() == [0, 1, 1, 0, 1]
    assert samples.sizes == {"train": 2, "val": 1, "test": 2}
    assert [samples.index[samples.part(split)].tolist() for split in ("train", "val", "test")] == [
        [1, 3],
        [2],
        [0, 4],
    ]


def test_samples_that_share_an_image_share_its_number():
    splits = ["train", "train", "test", "test"]
    samples = samples_of_collection(collection([0, 1, 0, 1], splits, digests=["x", "y", "x", "z"]))
    assert samples.images.tolist() == [0, 1, 0, 2]


def test_without_groups_the_classes_are_the_groups():
    groups, names = grouping(collection([0, 1], ["train", "test"]))
    assert (groups.tolist(), names) == ([0, 1], ("a", "b"))


@pytest.mark.parametrize(("splits", "missing"), [(["train"], "test"), (["test"], "train")])
def test_a_missing_split_is_named(splits, missing):
    with pytest.raises(UsageError, match=f"in the {missing} split"):
        samples_of_collection(collection([0], splits))


def test_groups_are_of_no_use_if_no_test_sample_has_one():
    named = collection([0, 0], ["train", "test"], groups=[0, -1])
    with pytest.raises(UsageError, match="belongs to any of its groups"):
        samples_of_collection(named)
