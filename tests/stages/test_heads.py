"""One cell of the matrix: splits, scores, records."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from a2pipe.datasets.collection import NO_BOXES, Collection
from a2pipe.errors import UsageError
from a2pipe.stages.heads import fit_cell, grouping, score, split_indices


def collection(labels, splits, groups=None):
    """A collection of that many samples of distinct images."""
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
        digests=tuple(f"{index:032x}" for index in range(count)),
        sizes=np.full((count, 2), 8),
        unreadable={},
    )


@pytest.fixture
def separable():
    """Forty samples in five dimensions, a third of them for test, and their features."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    features = rng.normal(size=(40, 5)).astype(np.float32) + labels[:, None]
    splits = np.where(np.arange(40) % 3 == 0, "test", "train")
    return features, collection(labels, splits, groups=np.arange(40) // 2 % 2)


def test_a_cell_is_bare_scikit_learn(separable):
    features, samples = separable
    train, test = split_indices(samples)
    bare = LogisticRegression(max_iter=1000).fit(features[train], samples.labels[train])
    content, arrays = fit_cell("logistic", {}, features, samples)
    np.testing.assert_array_equal(arrays["predictions"], bare.predict(features[test]))
    np.testing.assert_array_equal(
        arrays["probabilities"], bare.predict_proba(features[test]).astype(np.float32)
    )
    assert content["accuracy"] == bare.score(features[test], samples.labels[test])
    assert (content["n_train"], content["n_test"]) == (26, 14)


def test_scores_by_hand():
    samples = collection([0, 0, 1, 1, 0], ["test"] * 4 + ["train"], groups=[0, 0, 0, 1, 1])
    content = score(np.array([0, 1, 1, 0]), samples, np.arange(4))
    assert content["accuracy"] == 0.5
    assert content["wga"] == 0.0
    assert content["worst_group"] == "h"
    assert content["groups"] == [
        {"name": "g", "n": 3, "accuracy": 2 / 3},
        {"name": "h", "n": 1, "accuracy": 0.0},
        {"name": "empty", "n": 0, "accuracy": None},
    ]


def test_without_groups_the_classes_are_the_groups():
    groups, names = grouping(collection([0, 1], ["train", "test"]))
    assert (groups.tolist(), names) == ([0, 1], ("a", "b"))


@pytest.mark.parametrize(("splits", "missing"), [(["train"], "test"), (["test"], "train")])
def test_a_missing_split_is_named(splits, missing):
    with pytest.raises(UsageError, match=f"in the {missing} split"):
        split_indices(collection([0], splits))
