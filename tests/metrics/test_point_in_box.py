"""Point-in-Box against a loop over patches, and over the pixels that touch them."""

import numpy as np
import pytest

from a2pipe.metrics.point_in_box import are_small, point_in_box, share_inside, touched_patches

DRAWS = np.random.default_rng(5)


def clipped(count, canvas):
    """Boxes around and beyond a canvas, clipped to it; every other one has whole corners."""
    corners = np.sort(DRAWS.uniform(-canvas, 2 * canvas, (count, 2, 2)), axis=1).reshape(-1, 4)
    corners[::2] = np.rint(corners[::2])
    return np.clip(corners, 0, canvas)


def by_loop(box, canvas, grid):
    """The rule as it is written down, patch by patch."""
    side = canvas // grid
    x0, y0, x1, y1 = box
    inside = np.zeros((grid, grid), bool)
    for row in range(grid):
        for column in range(grid):
            inside[row, column] = y0 // side <= row <= min(
                y1 // side, grid - 1
            ) and x0 // side <= column <= min(x1 // side, grid - 1)
    return inside


@pytest.mark.parametrize(("canvas", "grid"), [(224, 14), (224, 16), (32, 4)])
def test_inside_is_what_a_loop_over_patches_finds(canvas, grid):
    boxes = clipped(3000, canvas)
    expected = [by_loop(box, canvas, grid) for box in boxes]
    np.testing.assert_array_equal(touched_patches(boxes, canvas, grid), expected)


def test_inside_are_the_patches_whose_closed_square_shares_a_corner_pixel_with_the_closed_box():
    boxes = np.rint(clipped(2000, 32))
    boxes = boxes[(boxes < 32).all(axis=1)]  # from the last edge on a box owns nothing more
    pixels = np.arange(32)
    for box, found in zip(boxes, touched_patches(boxes, 32, 4), strict=True):
        x0, y0, x1, y1 = box
        mask = np.outer((y0 <= pixels) & (pixels <= y1), (x0 <= pixels) & (pixels <= x1))
        np.testing.assert_array_equal(found, mask.reshape(4, 8, 4, 8).any(axis=(1, 3)))


def owned(*box):
    (inside,) = touched_patches(np.array([box]), 224, 14)
    return inside.any(axis=0).nonzero()[0].tolist(), inside.any(axis=1).nonzero()[0].tolist()


def test_both_ends_of_a_box_are_inclusive():
    assert owned(16, 17, 32, 31.9) == ([1, 2], [1])
    assert owned(0, 0, 224, 224) == (list(range(14)), list(range(14)))


def test_boxes_that_are_cut_away_own_the_first_column_or_row_or_nothing():
    assert owned(0, 50, 0, 60) == ([0], [3])
    assert owned(50, 0, 60, 0) == ([3], [0])
    assert owned(224, 50, 224, 60) == ([], [])
    assert owned(50, 224, 60, 224) == ([], [])


def test_the_first_highest_patch_counts_and_no_other():
    maps = np.array([[[0, 3], [3, 1]], [[1, 0], [0, 0]], [[2, 2], [2, 2]], [[0, np.nan], [9, 0]]])
    inside = np.array([[[False, True], [False, False]]] * 4)
    np.testing.assert_array_equal(point_in_box(maps, inside), [1, 0, 0, np.nan])
    assert share_inside(inside).tolist() == [0.25] * 4


def test_a_random_patch_scores_the_share_inside():
    boxes = clipped(400, 224)
    inside = touched_patches(boxes, 224, 14)
    maps = DRAWS.random((50, 400, 14, 14))
    scores = np.mean([point_in_box(each, inside).mean() for each in maps])
    assert scores == pytest.approx(share_inside(inside).mean(), abs=0.01)


def test_a_box_of_a_quarter_of_the_image_is_not_small():
    boxes = np.array([[0, 0, 50, 50], [0, 0, 50, 49], [10, 10, 60, 61]])
    assert are_small(boxes, np.full((3, 2), 100)).tolist() == [False, True, False]
