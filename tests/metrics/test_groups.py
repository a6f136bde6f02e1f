"""Accuracies on small tables with known answers."""

import math

import numpy as np
import pytest

from a2pipe.errors import A2pipeError
from a2pipe.metrics.groups import (
    GroupAccuracy,
    accuracy,
    adjusted_average,
    balanced,
    per_class,
    per_group,
    worst_group,
)

LABELS = np.array([0, 0, 0, 1, 1, 1, 1, 1])
PREDICTIONS = np.array([0, 0, 1, 1, 1, 1, 1, 0])
GROUPS = np.array([0, 0, 1, 3, 3, 3, 3, 3])
NAMES = ("land on land", "land on water", "water on land", "water on water")


def by_group() -> list[GroupAccuracy]:
    return per_group(LABELS, PREDICTIONS, GROUPS, NAMES)


def test_accuracy_is_the_plain_share():
    assert accuracy(LABELS, PREDICTIONS) == 6 / 8


def test_groups_keep_the_order_of_their_names():
    assert [(group.name, group.n) for group in by_group()] == list(
        zip(NAMES, [2, 1, 0, 5], strict=True)
    )
    assert [group.accuracy for group in by_group()][:2] == [1.0, 0.0]
    assert by_group()[3].accuracy == 4 / 5


def test_an_empty_group_has_no_accuracy():
    assert math.isnan(by_group()[2].accuracy)


def test_worst_group_passes_over_empty_groups():
    assert worst_group(by_group()) == GroupAccuracy("land on water", 1, 0.0)


def test_of_equally_bad_groups_the_first_is_worst():
    groups = [GroupAccuracy("a", 1, 0.5), GroupAccuracy("b", 9, 0.5)]
    assert worst_group(groups).name == "a"


def test_samples_without_a_group_count_in_none():
    groups = np.array([0, -1, -1, -1, -1, -1, -1, -1])
    assert [group.n for group in per_group(LABELS, PREDICTIONS, groups, NAMES)] == [1, 0, 0, 0]


def test_classes_and_their_balanced_accuracy():
    classes = per_class(LABELS, PREDICTIONS, ("land", "water"))
    assert [(each.n, each.accuracy) for each in classes] == [(3, 2 / 3), (5, 4 / 5)]
    assert balanced(classes) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_a_class_absent_from_the_labels_is_left_out_of_the_balance():
    classes = per_class(LABELS, PREDICTIONS, ("land", "water", "air"))
    assert balanced(classes) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_adjusted_average_weighs_groups_by_their_training_share():
    assert adjusted_average(by_group(), [6, 2, 0, 2]) == pytest.approx(0.6 + 0 + 0.2 * 4 / 5)


@pytest.mark.parametrize("sizes", [[1, 1, 1, 1], [0, 0, 0, 0]])
def test_adjusted_average_needs_test_samples_of_every_training_group(sizes):
    with pytest.raises(A2pipeError, match="every group that occurs in training"):
        adjusted_average(by_group(), sizes)


def test_adjusted_average_by_the_test_sizes_is_the_plain_accuracy():
    sizes = [group.n for group in by_group()]
    assert adjusted_average(by_group(), sizes) == pytest.approx(accuracy(LABELS, PREDICTIONS))


def test_nothing_to_score_is_an_error():
    nothing = np.array([], dtype=np.int64)
    with pytest.raises(A2pipeError, match="no sample"):
        accuracy(nothing, nothing)
    with pytest.raises(A2pipeError, match="No group"):
        worst_group(per_group(nothing, nothing, nothing, NAMES))


def test_predictions_must_match_the_labels_one_by_one():
    with pytest.raises(ValueError, match="predictions for"):
        accuracy(LABELS, PREDICTIONS[:3])
