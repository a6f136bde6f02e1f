"""Squares on a canvas, against every pixel of it."""

import numpy as np
import pytest

from a2pipe.errors import UsageError
from a2pipe.stages.boxes import squares


def test_corners_that_intersect_are_those_whose_square_shares_a_pixel():
    taken, size, canvas = (2, 3, 5, 6), 2, 9
    free = np.ones((canvas - size + 1,) * 2, bool)
    free[squares.intersecting(taken, size)] = False
    pixels = np.zeros((canvas, canvas), bool)
    pixels[3:6, 2:5] = True
    for position, is_free in enumerate(free.ravel()):
        x0, y0, x1, y1 = squares.at(position, size, canvas)
        assert is_free == (not pixels[y0:y1, x0:x1].any())


def test_boxes_by_image_are_the_boxes_of_each_image():
    boxes = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    assert squares.by_image(boxes, 3)[1] == [(4, 5, 6, 7), (16, 17, 18, 19)]
    assert squares.by_image(None, 2) == [[], []]


@pytest.mark.parametrize("size", [0, 9])
def test_a_square_that_does_not_fit_is_refused(size):
    with pytest.raises(UsageError, match=f"{size} px does not fit a canvas of 8 px"):
        squares.check_size(size, 8)


def test_the_error_of_an_image_without_room_counts_the_earlier_crops():
    error = squares.no_room(4, 8, [(0, 0, 4, 4), (4, 4, 8, 8)], "ab")
    assert error.image == "ab"
    assert str(error) == f"Image ab {error.problem}"
    assert "off its 2 earlier crops on a canvas of 8 px" in error.problem
