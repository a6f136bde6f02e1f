"""Accuracies of a record's predictions, by hand."""

import math

import numpy as np

from a2pipe.stages.fits.scores import scores

CONTENT = {"class_names": ["a", "b"], "group_names": ["g", "h", "empty"]}
ARRAYS = {
    "test_labels": np.array([0, 0, 1, 1]),
    "test_groups": np.array([0, 0, 0, 1]),
    "test_predictions": np.array([0, 1, 1, 0]),
    "val_labels": np.array([1]),
    "val_groups": np.array([1]),
    "val_predictions": np.array([1]),
}


def test_accuracy_by_group_and_class():
    found = scores(CONTENT, ARRAYS)
    assert (found.n, found.accuracy) == (4, 0.5)
    assert [(g.name, g.n) for g in found.groups] == [("g", 3), ("h", 1), ("empty", 0)]
    assert [g.accuracy for g in found.groups[:2]] == [2 / 3, 0.0]
    assert math.isnan(found.groups[2].accuracy)
    assert [(c.name, c.n, c.accuracy) for c in found.classes] == [("a", 2, 0.5), ("b", 2, 0.5)]


def test_the_worst_group_is_the_worst_that_has_samples():
    assert scores(CONTENT, ARRAYS).worst_group.name == "h"


def test_of_equally_bad_classes_the_first_is_named():
    assert scores(CONTENT, ARRAYS).worst_class.name == "a"


def test_validation_samples_are_scored_alike():
    assert scores(CONTENT, ARRAYS, "val").accuracy == 1.0
