"""Patches are split by more than half of their pixels, and scores by each image's own ends."""

import numpy as np

from a2pipe.metrics.localization import foreground_masks
from a2pipe.metrics.patches.foreground import by_side, foreground_patches, normalized


def test_a_patch_counts_with_more_than_half_of_its_pixels():
    masks = np.zeros((3, 8, 8), bool)
    masks[0, :4, :2] = True  # half of the first patch
    masks[1, :4, :2] = masks[1, 0, 2] = True  # a pixel more
    masks[2, 4:, 4:] = True
    assert foreground_patches(masks, 2).tolist() == [
        [False, False, False, False],
        [True, False, False, False],
        [False, False, False, True],
    ]


def test_it_is_what_a_loop_over_pixels_says_of_random_boxes():
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(-3, 27, (60, 2, 2)), axis=1).reshape(60, 4)  # x0 y0 x1 y1
    found = foreground_patches(foreground_masks([box[None] for box in corners], 24), 4)
    for box, patches in zip(corners, found, strict=True):
        for number in range(16):
            top, left = 6 * (number // 4), 6 * (number % 4)
            inside = sum(
                box[0] <= x + 0.5 < box[2] and box[1] <= y + 0.5 < box[3]
                for y in range(top, top + 6)
                for x in range(left, left + 6)
            )
            assert patches[number] == (inside > 18)


def test_scores_are_brought_to_their_image_s_own_ends():
    scores = np.array([[0.5, -0.5, 0.0], [0.2, 0.2, 0.2]])
    found = normalized(scores)
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 0, 0.5], [0, 0, 0]]


def test_an_image_without_one_of_the_sides_counts_among_all_patches_alone():
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    foreground = np.array([[True, False], [False, False], [True, True]])
    found = by_side(values, foreground)
    assert {name: each.ravel().tolist() for name, each in found.items()} == {
        "all": [0, 1, 2, 3, 4, 5],
        "foreground": [0],
        "background": [1],
    }
