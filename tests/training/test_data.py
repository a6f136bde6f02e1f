"""Which images are trained on and measured, and which datasets are refused."""

from dataclasses import replace

import numpy as np
import pytest

from a2pipe.datasets.registry import load
from a2pipe.errors import UsageError
from a2pipe.stages.geometry import Canvas
from a2pipe.training.data import measured_images, training_images

CANVAS = Canvas(24)


@pytest.fixture(scope="module")
def collection(photos):
    return load(str(photos / "manifest.csv"))


def test_training_takes_the_training_split(collection):
    images = training_images(collection)
    assert len(images) == (collection.splits == "train").sum() == 20
    assert sorted({*images.labels.tolist()}) == [0, 1]


def test_measured_images_are_limited_and_have_boxes(collection):
    measured = measured_images(collection, "test", 8, CANVAS, "centre")
    assert len(measured.images) == len(measured.boxed.boxes) == 8
    assert measured.boxed.places.tolist() == list(range(8))


def test_without_boxes_the_reason_is_told(collection):
    bare = replace(collection, boxes=(np.zeros((0, 4)),) * len(collection))
    boxed = measured_images(bare, "test", 8, CANVAS, "centre").boxed
    assert len(boxed.places) == 0
    assert "has no boxes" in boxed.why_none


def unlabelled(collection):
    return replace(collection, labels=np.full(len(collection), -1))


def one_class(collection):
    return replace(collection, labels=np.zeros(len(collection), np.int64))


def untrained(collection):
    return replace(collection, splits=np.full(len(collection), "test"))


def unreadable(collection):
    return replace(collection, digests=("",) * len(collection))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unlabelled, "20 of 20 train images have no label"),
        (one_class, "are of one class, '0'"),
        (untrained, "has no train images"),
        (unreadable, "cannot be trained on"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(collection, change, reason):
    with pytest.raises(UsageError, match=reason):
        training_images(change(collection))


def test_an_empty_split_is_refused(collection):
    with pytest.raises(UsageError, match=r"has no val images\. Set training\.split"):
        measured_images(collection, "val", 8, CANVAS, "centre")


def test_a_class_that_is_never_trained_is_refused(collection):
    only = np.where(collection.splits == "train", 0, collection.labels)
    with pytest.raises(UsageError, match=r"No training image of .* is of the class '1'"):
        measured_images(replace(collection, labels=only), "test", 99, CANVAS, "centre")
