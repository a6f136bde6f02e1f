"""The images of figure 16: which samples are shown, and with which crops."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from a2pipe.datasets.collection import NO_BOXES, Collection
from a2pipe.paper.crop_figure import crop_pictures
from a2pipe.stages.geometry import Canvas

SIDE = 4
LABELS = np.array([0, 0, 0, 1, 2, 2, 0])
SPLITS = np.array(["test", "test", "test", "train", "test", "test", "train"])


@pytest.fixture
def collection(tmp_path) -> Collection:
    """Seven images, each of one grey level that is ten times its number; class 1 has no test."""
    n = len(LABELS)
    paths = tuple(str(tmp_path / f"{number}.png") for number in range(n))
    for number, path in enumerate(paths):
        Image.new("L", (SIDE, SIDE), 10 * number).save(path)
    return Collection(
        name="tiny",
        paths=paths,
        labels=LABELS,
        class_names=("cat", "dog", "fox"),
        groups=np.full(n, -1),
        group_names=(),
        splits=SPLITS,
        boxes=(NO_BOXES,) * n,
        image_ids=tuple(map(str, range(n))),
        digests=tuple(f"digest {number}" for number in range(n)),
        sizes=np.full((n, 2), SIDE),
        unreadable={},
    )


def session_with(*rows):
    """A session whose box n of an image begins at n and ends at the number of the image."""

    def read(box, digests):
        return np.array([[box, box, int(d.split()[1]), SIDE] for d in digests], np.int32)

    image = SimpleNamespace(canvas=Canvas(SIDE))
    return SimpleNamespace(
        plan=SimpleNamespace(rows=rows), experiment=SimpleNamespace(image=image), read=read
    )


def row(*boxes, attention=True):
    return SimpleNamespace(map="a map" if attention else None, boxes=boxes)


def test_the_middle_test_image_of_each_class_is_shown(collection):
    found = crop_pictures(session_with(row(0)), collection)
    assert found.dataset == "tiny"
    assert found.images.shape == (2, SIDE, SIDE, 3)
    assert [int(image.min()) for image in found.images] == [10, 50]
    assert [int(image.max()) for image in found.images] == [10, 50]


def test_crops_are_of_each_image_in_the_order_of_their_choice(collection):
    found = crop_pictures(session_with(row(2, 0, 1)), collection)
    assert found.boxes.tolist() == [
        [[2, 2, 1, 4], [0, 0, 1, 4], [1, 1, 1, 4]],
        [[2, 2, 5, 4], [0, 0, 5, 4], [1, 1, 5, 4]],
    ]


def test_of_rows_with_attention_the_first_longest_is_shown(collection):
    rows = row(0), row(1, 2), row(2, 1), row(0, 1, 2, attention=False)
    found = crop_pictures(session_with(*rows), collection)
    assert found.boxes[0, :, 0].tolist() == [1, 2]


def test_two_images_are_enough(collection):
    three = replace(collection, labels=np.array([0, 1, 2, 2, 2, 2, 2]))
    assert len(crop_pictures(session_with(row(0)), three).images) == 2


def test_without_attention_there_is_nothing_to_show(collection):
    assert crop_pictures(session_with(row(0, attention=False)), collection) is None


def test_without_test_images_there_is_nothing_to_show(collection):
    assert crop_pictures(session_with(row(0)), collection.take([3, 6])) is None
