"""Our value of a published number, from small collections and predictions with known answers."""

import math
from dataclasses import replace
from statistics import fmean, stdev

import numpy as np
import pytest

from a2pipe.paper.cells import CANVAS, Target, target_of
from a2pipe.paper.published import Number, published
from a2pipe.paper.values import Found, of_cells, of_counts, of_crops, subset

from .kit import CLASSES, FOUR, cell, collection, row


def number(table: int, **fields: object) -> Number:
    return next(n for n in published(table) if all(getattr(n, k) == v for k, v in fields.items()))


@pytest.mark.parametrize(
    ("table", "fields", "value"),
    [
        (8, {"method": "a2-lr", "metric": "accuracy"}, 60.0),
        (8, {"method": "a2-lr", "metric": "wga"}, 0.0),
        (10, {"method": "a2-lr", "metric": "worst_class"}, 50.0),
    ],
)
def test_metrics_of_predictions(table, fields, value):
    """cat in: 1 of 2; cat out: right; dog in: wrong; dog out: right. Cats 2 of 3, dogs 1 of 2."""
    target = target_of(number(table, **fields))
    found = Found(cell(row(), test=([0, 1, 2, 3, 4], [0, 1, 0, 0, 1])), FOUR)
    measured = of_cells(target, dict.fromkeys(target.cells, found))
    assert (measured.value, measured.n, measured.seeds) == (value, 5, 1)
    assert math.isnan(measured.std)
    assert measured.records == ("record",)


def test_a_mean_over_seeds():
    target = target_of(number(9, method="random-lr", metric="accuracy"))
    shares = [[0, 0, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 1, 1, 0], [1, 0, 1, 1, 0], [1, 1, 1, 0, 0]]
    found = {
        place: Found(cell(row(), test=([0, 1, 2, 3, 4], classes)), FOUR)
        for place, classes in zip(target.cells, shares, strict=True)
    }
    measured = of_cells(target, found)
    assert measured.value == pytest.approx(fmean([100, 80, 60, 40, 0]))
    assert measured.std == pytest.approx(stdev([100, 80, 60, 40, 0]))
    assert measured.seeds == 5


def test_a_mean_that_lacks_a_cell_is_not_made():
    target = target_of(number(9, method="random-lr"))
    found = Found(cell(row(), test=([0], [0])), FOUR)
    measured = of_cells(target, dict.fromkeys(target.cells[:4], found))
    assert math.isnan(measured.value)
    assert measured.reason == "was not computed"


def test_the_far_and_the_near_hundredth():
    """200 birds whose distance grows with their number; only the two farthest are wrong."""
    boxes = [(112 + i / 2, 102, 112 + i / 2, 122) for i in range(200)]
    birds = collection([0] * 200, [0] * 200, ["test"] * 200, boxes)
    index = np.arange(200)
    far, near = (number(18, subset=name, method="a2-lr") for name in ("top1", "bottom1"))
    assert subset(far, index, birds).tolist() == [198, 199]
    assert subset(near, index, birds).tolist() == [0, 1]
    found = Found(cell(row(), test=(index.tolist(), [0] * 198 + [1, 1])), birds)
    scores = []
    for each in (far, near):
        target = replace(target_of(each), number=replace(each, metric="accuracy"))
        scores.append(of_cells(target, dict.fromkeys(target.cells, found)).value)
    assert scores == [0.0, 100.0]


@pytest.mark.parametrize(
    ("boxes", "size", "reason"),
    [([(0, 0, 9, 9), ()], CANVAS, "need a box of every"), ([(0, 0, 9, 9)] * 2, 0, "need the size")],
)
def test_strata_that_cannot_be_cut_have_a_reason(boxes, size, reason):
    birds = replace(
        collection([0, 1], [0, 2], ["test"] * 2),
        boxes=tuple(np.array(box, float).reshape(-1, 4) for box in boxes),
        sizes=np.array([[CANVAS, CANVAS], [size, size]]),
    )
    target = target_of(number(18, subset="top1", method="a2-lr"))
    found = Found(cell(row(), test=([0, 1], [0, 1])), birds)
    measured = of_cells(target, dict.fromkeys(target.cells, found))
    assert math.isnan(measured.value)
    assert reason in measured.reason


def test_a_group_of_the_test_split():
    wanted = replace(number(17, method="full-classifier"), subset="cat in")
    assert subset(wanted, np.arange(5), FOUR).tolist() == [0, 1]


def test_coverage_is_what_the_crops_cover():
    """k 64^2 / 224^2, to the digit that is printed."""
    for each in published(5):
        if each.metric == "coverage":
            assert round(of_crops(each).value, 1) == each.value


def test_counts_of_contexts_and_images():
    found = replace(
        collection([0, 0, 1, 1], [0, 1, 2, 2], ["train", "train", "train", "test"]),
        group_names=("cat(sofa)", "cat(bed)", "dog(sofa)"),
        image_ids=("7", "7", "8", "9"),
    )
    one = number(4, split="train", subset="images")
    counted = {
        name: of_counts(replace(one, subset=name), found).value
        for name in ("images", "image ids", "class-context groups", "context tags", "cat", "cow")
    }
    assert math.isnan(counted.pop("cow"))
    assert counted == {
        "images": 3,
        "image ids": 2,
        "class-context groups": 3,
        "context tags": 2,
        "cat": 2,
    }


@pytest.mark.parametrize("name", ["class-context groups", "context tags"])
def test_groups_that_are_classes_have_no_contexts_to_count(name):
    found = replace(FOUR, group_names=CLASSES, groups=FOUR.labels)
    measured = of_counts(replace(number(4, split="train"), subset=name), found)
    assert math.isnan(measured.value)
    assert measured.reason == "the groups do not name contexts"


def test_a_target_without_results_says_so():
    target = Target(number(11), "cells")
    assert of_cells(target, {}).reason == "was not computed"
