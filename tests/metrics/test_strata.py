"""Strata by distance from the centre: distances by hand, sizes as published, ends of one order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.errors import A2pipeError
from a2pipe.metrics.strata import centre_distances, distance_strata, stratum_size


def box(*corners: float) -> np.ndarray:
    return np.array([corners], float)


@pytest.mark.parametrize(("share", "size"), [(0.01, 58), (0.05, 290), (0.10, 580), (1, 5794)])
def test_sizes_of_the_published_strata(share, size):
    """Rounding would give 579 for a tenth."""
    assert stratum_size(5794, share) == size


def test_whole_products_are_not_pushed_up_by_rounding():
    assert stratum_size(700, 0.07) == 49  # 700 * 0.07 is 49.00000000000001


def test_distances_in_the_squashed_image_and_in_the_original():
    """Centres (150, 50) of 200 x 100: 50 px right of the middle, which are 56 of 224."""
    boxes, sizes = [box(140, 40, 160, 60), box(90, 70, 110, 90)], np.array([[200, 100]] * 2)
    assert centre_distances(boxes, sizes).tolist() == [56.0, 30 * 224 / 100]
    assert centre_distances(boxes, sizes, None).tolist() == [50.0, 30.0]


def test_both_axes_count():
    (found,) = centre_distances([box(43, 44, 63, 64)], np.array([[100, 100]]), 100)
    assert found == pytest.approx(math.hypot(3, 4))


def test_several_boxes_are_the_box_around_them():
    two = np.array([[0.0, 0, 10, 10], [90, 90, 100, 100]])
    assert centre_distances([two], np.array([[100, 100]])).tolist() == [0.0]


def test_an_image_without_a_box_is_refused():
    with pytest.raises(A2pipeError, match="a box of every test image"):
        centre_distances([np.zeros((0, 4))], np.array([[9, 9]]))


def test_top_is_far_and_bottom_near():
    strata = distance_strata(np.array([5.0, 1, 3, 9]), ["1", "2", "3", "4"], (0.25, 0.5))
    assert {name: found.tolist() for name, found in strata.items()} == {
        "top25": [3],
        "bottom25": [1],
        "top50": [0, 3],
        "bottom50": [1, 2],
    }


def test_ties_go_by_image_id_as_a_number():
    """Order 2, 9, 10: the last is the farthest of equals."""
    strata = distance_strata(np.zeros(3), ["10", "9", "2"], (0.34,))
    assert strata["bottom34"].tolist() == [2, 1]
    assert strata["top34"].tolist() == [1, 0]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.floats(0.01, 1), st.randoms())
def test_strata_do_not_depend_on_the_order_of_images(distances, share, random):
    """Against a plain sort, and under a permutation of the images."""
    ids = [str(number) for number in range(len(distances))]
    order = list(range(len(distances)))
    random.shuffle(order)
    name = f"bottom{100 * share:g}"
    plain = distance_strata(np.array(distances), ids, (share,))[name]
    mixed = distance_strata(np.array(distances)[order], [ids[i] for i in order], (share,))[name]
    expected = sorted(zip(distances, map(int, ids), strict=True))[: len(plain)]
    assert [int(ids[i]) for i in plain] == [number for _, number in expected]
    assert [order[i] for i in mixed] == plain.tolist()
