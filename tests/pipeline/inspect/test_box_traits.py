"""What is the matter with a box of an image of 40 x 20 px."""

import numpy as np
import pytest

from a2pipe.pipeline.inspect.box_traits import BoxFinding, find_traits, trait_of
from a2pipe.stages.geometry import Canvas

SIZE = (40, 20)
SQUASHED = Canvas(224)


@pytest.mark.parametrize(
    ("box", "trait"),
    [
        ((1, 1, 40, 20), ""),
        ((4, 4, 4, 9), "without area"),
        ((5, 5, 3, 9), "without area"),
        ((40, 0, 50, 10), "outside the image"),
        ((0, 20, 10, 30), "outside the image"),
        ((-9, 0, 0, 10), "outside the image"),
        ((-1, 0, 20, 20), "that reach beyond the edge"),
        ((0, 0, 41, 20), "that reach beyond the edge"),
        ((5, 5, 5.05, 9), "without a pixel on the canvas"),
    ],
)
def test_a_box_has_one_trait_or_none(box, trait):
    assert trait_of(np.array(box, np.float64), SIZE, SQUASHED) == trait


@pytest.mark.parametrize(
    ("geometry", "box", "trait"),
    [
        ("center-crop", (0, 5, 9, 15), "cut away by image.geometry"),
        ("center-crop", (0, 5, 20, 15), ""),
        ("letterbox", (0, 5, 9, 15), ""),
        ("letterbox", (0, 5, 9, 5.2), "without a pixel on the canvas"),
    ],
)
def test_a_box_is_mapped_as_its_image_is(geometry, box, trait):
    """A centre crop shows columns 10 to 30."""
    assert trait_of(np.array(box, np.float64), SIZE, Canvas(50, geometry)) == trait


def test_a_column_of_pixels_counts_if_its_centre_lies_in_the_box():
    step = 40 / 224
    around, between = (0.45, 0.55), (0.55, 1.45)
    for (start, stop), trait in ((around, ""), (between, "without a pixel on the canvas")):
        box = np.array([(3 + start) * step, 0, (3 + stop) * step, 20])
        assert trait_of(box, SIZE, SQUASHED) == trait


def test_boxes_of_one_trait_are_counted_and_the_first_three_images_named():
    flat, outside = np.array([[4.0, 4, 4, 9]]), np.array([[40.0, 0, 50, 10]])
    boxed = [(f"{name}.png", flat.repeat(2, axis=0), SIZE) for name in "abcd"]
    boxed.append(("e.png", outside, SIZE))
    assert list(find_traits(boxed, SQUASHED)) == [
        BoxFinding("outside the image", 1, ("e.png",)),
        BoxFinding("without area", 8, ("a.png", "b.png", "c.png")),
    ]


def test_what_becomes_of_a_box_is_told_with_the_canvas():
    boxed = [("a.png", np.array([[0.0, 5, 9, 15], [15.1, 5, 15.12, 15]]), SIZE)]
    found = find_traits(boxed, Canvas(50, "center-crop"))
    assert [finding.trait for finding in found] == [
        "cut away by image.geometry center-crop",
        "without a pixel on the canvas of 50",
    ]
