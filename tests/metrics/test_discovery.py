"""Objects found as boxes and as foregrounds, against torchvision and a search cell by cell."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou as torchvision_iou

from a2pipe.metrics.discovery import (
    THRESHOLDS,
    above_mean_and_std,
    bounding_boxes,
    box_iou,
    foreground_iou,
    found_objects,
    largest_mass,
    peak_components,
)

SEEDS = st.integers(0, 2**32 - 1)


def random_maps(seed: int, images: int = 3) -> np.ndarray:
    """Maps with ties, plateaus and several components."""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 8, 2)
    values = generator.integers(0, generator.integers(2, 12), (images, height, width))
    return values.astype(np.float64) + (generator.random((images, 1, 1)) < 0.5) * 0.25


def flooded(mask: np.ndarray, start: tuple[int, int]) -> set[tuple[int, int]]:
    """Every cell of the mask that is reached from `start` by steps to the sides."""
    reached, front = set(), [start]
    while front:
        y, x = front.pop()
        inside = 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]
        if inside and mask[y, x] and (y, x) not in reached:
            reached.add((y, x))
            front += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return reached


def random_boxes(generator: np.random.Generator, count: int) -> np.ndarray:
    corners = generator.integers(-4, 30, (count, 2, 2)) + generator.choice([0, 0.5, 0.25])
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


# --- foregrounds --------------------------------------------------------------------------------


def test_a_cell_is_foreground_above_mean_and_one_deviation() -> None:
    cells = np.array([[[0.0, 0.0, 0.0], [0.0, 4.0, 4.0], [0.0, 0.0, 1.0]]])
    # mean 1, deviation with n in the denominator sqrt(24 / 9) = 1.63
    assert above_mean_and_std(cells)[0].tolist() == [[False] * 3, [False, True, True], [False] * 3]


def test_where_no_cell_is_the_first_largest_one_counts() -> None:
    equal = np.full((1, 2, 3), 0.1)
    assert above_mean_and_std(equal)[0].tolist() == [[True, False, False], [False] * 3]


def test_the_largest_cells_hold_sixty_percent() -> None:
    cells = np.array([[[0.1, 0.2, 0.3], [0.25, 0.15, 0.0]]])
    assert largest_mass(cells)[0].tolist() == [[False, True, True], [True, False, False]]


def test_rounding_does_not_decide_over_a_cell() -> None:
    assert largest_mass(np.full((1, 2, 5), 0.1)).sum() == 6


@given(SEEDS)
def test_the_largest_mass_is_what_a_loop_takes(seed: int) -> None:
    maps = random_maps(seed)
    for cells, found in zip(maps, largest_mass(maps), strict=True):
        flat = cells.ravel()
        left_out, held = set(), 0.0
        order = sorted(range(len(flat)), key=lambda place: (flat[place], -place))
        for place in order[:-1]:
            held += flat[place]
            if held > 0.4 * flat.sum() + 1e-9:
                break
            left_out.add(place)
        assert set(np.flatnonzero(~found.ravel()).tolist()) == left_out


@given(SEEDS, st.floats(0.01, 100), st.floats(-5, 5))
def test_scores_and_the_map_made_of_them_have_one_foreground(
    seed: int, scale: float, shift: float
) -> None:
    scores = np.random.default_rng(seed).random((2, 5, 5))
    assert (above_mean_and_std(scale * scores + shift) == above_mean_and_std(scores)).all()


@pytest.mark.parametrize("rule", THRESHOLDS)
def test_a_map_that_is_not_finite_has_no_foreground(rule: str) -> None:
    maps = np.ones((2, 2, 2))
    maps[1, 0, 1] = np.nan
    found = THRESHOLDS[rule](maps)
    assert found[0].any()
    assert not found[1].any()
    assert bounding_boxes(peak_components(found, maps))[1].tolist() == [0, 0, 0, 0]


# --- boxes --------------------------------------------------------------------------------------


@given(SEEDS, st.sampled_from(sorted(THRESHOLDS)))
def test_the_component_is_what_is_reached_from_the_peak(seed: int, rule: str) -> None:
    maps = random_maps(seed)
    foreground = THRESHOLDS[rule](maps)
    components = peak_components(foreground, maps)
    boxes = bounding_boxes(components)
    for cells, mask, part, box in zip(maps, foreground, components, boxes, strict=True):
        y, x = divmod(int(cells.argmax()), cells.shape[1])
        reached = flooded(mask, (y, x))
        assert {tuple(place) for place in np.argwhere(part).tolist()} == reached
        rows, columns = zip(*reached, strict=True)
        assert box.tolist() == [min(columns), min(rows), max(columns) + 1, max(rows) + 1]


def test_corners_do_not_connect() -> None:
    cells = np.array([[[5.0, 0.0], [0.0, 4.0]]])
    assert peak_components(cells > 1, cells)[0].tolist() == [[True, False], [False, False]]


@given(SEEDS)
def test_overlap_is_torchvisions(seed: int) -> None:
    generator = np.random.default_rng(seed)
    one, others = random_boxes(generator, 1), random_boxes(generator, 6)
    expected = torchvision_iou(torch.from_numpy(one), torch.from_numpy(others))[0].nan_to_num(0)
    np.testing.assert_allclose(box_iou(one[0], others), expected, atol=1e-12)


def test_an_image_counts_if_any_object_is_found_by_half() -> None:
    box = [0, 0, 4, 4]
    truth = [
        np.array([[9, 9, 12, 12], [0, 0, 4, 2]]),  # 8 of 16 pixels: just enough
        np.array([[0, 0, 4, 1.99]]),
        np.zeros((0, 4)),
        np.array([[0, 0, 8, 4], [1, 1, 3, 3]]),
    ]
    found = found_objects(np.array([box] * 4), truth)
    np.testing.assert_array_equal(found, [1, 0, np.nan, 1])


def test_an_empty_box_finds_nothing() -> None:
    assert found_objects(np.zeros((1, 4)), [np.array([[0, 0, 4, 4]])]).tolist() == [0]


# --- masks --------------------------------------------------------------------------------------


def test_pixels_that_do_not_count_are_left_out_of_both_sides() -> None:
    truth = np.array([[0, 3, 255], [7, 0, 255]], np.uint8)
    predicted = np.array([[True, True, True], [False, False, True]])
    assert foreground_iou(predicted, truth) == 1 / 3


def test_a_mask_without_objects_has_no_answer() -> None:
    assert np.isnan(foreground_iou(np.ones((1, 2), bool), np.array([[0, 255]], np.uint8)))
