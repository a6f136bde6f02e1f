"""Localisation measures on small canvases, and what uniform attention must give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.metrics.localization import (
    covers_a_centre,
    crop_coverage,
    crop_hit,
    foreground_masks,
    hit,
    mass_in_box,
    patch_centres,
    patch_overlap,
)

NO_BOX = np.empty((0, 4))


def by_centres(boxes: np.ndarray, size: int) -> np.ndarray:
    """The pixel-centre rule, pixel by pixel."""
    centres = np.arange(size) + 0.5
    mask = np.zeros((size, size), dtype=bool)
    for x0, y0, x1, y1 in boxes:
        rows, columns = (y0 <= centres) & (centres < y1), (x0 <= centres) & (centres < x1)
        mask |= np.outer(rows, columns)
    return mask


class TestForeground:
    def test_a_pixel_belongs_by_its_centre(self):
        mask = foreground_masks([np.array([[0.5, 0.51, 2.5, 1.51]])], 4)[0]
        assert np.argwhere(mask).tolist() == [[1, 0], [1, 1]]

    def test_boxes_of_an_image_are_united_and_images_kept_apart(self):
        boxes = [np.array([[0, 0, 2, 2], [1, 1, 3, 3]]), NO_BOX]
        assert foreground_masks(boxes, 4).sum(axis=(1, 2)).tolist() == [7, 0]

    def test_boxes_beyond_the_canvas_are_clipped(self):
        assert foreground_masks([np.array([[-5, 2, 99, 99]])], 4).sum() == 8

    @given(st.lists(st.tuples(*[st.floats(-3, 12)] * 4), max_size=3))
    def test_agrees_with_the_rule_pixel_by_pixel(self, boxes):
        corners = np.array(boxes).reshape(-1, 4)
        assert np.array_equal(foreground_masks([corners], 9)[0], by_centres(corners, 9))


def by_samples(boxes: np.ndarray, canvas: int, grid: int, fine: int) -> np.ndarray:
    """Covered share of every patch, by `fine` x `fine` sample points a pixel."""
    points = by_centres(boxes * fine, canvas * fine)
    side = canvas * fine // grid
    return points.reshape(grid, side, grid, side).mean(axis=(1, 3))


corners = st.tuples(*[st.integers(-8, 136).map(lambda eighth: eighth / 8)] * 4)


class TestPatches:
    def test_a_patch_belongs_by_its_centre(self):
        boxes = [np.array([[7, 0, 21, 7.5]]), np.array([[7.1, 0, 20.9, 14]])]
        inside = patch_centres(boxes, 224, 16)
        assert np.argwhere(inside[0]).tolist() == [[0, 0]]
        assert not inside[1].any()

    def test_a_box_covers_parts_of_patches(self):
        covered = patch_overlap([np.array([[4, 0, 12, 2]]), NO_BOX], 16, 4)
        assert covered[0, 0].tolist() == [0, 0.5, 0.5, 0]
        assert covered.sum() == 1

    def test_overlapping_boxes_count_once(self):
        covered = patch_overlap([np.array([[0, 0, 4, 4], [2, 2, 4, 4], [2, 0, 6, 4]])], 16, 4)
        assert covered[0, 0].tolist() == [1, 0.5, 0, 0]

    @given(st.lists(corners, max_size=4))
    def test_overlap_is_exact(self, boxes):
        boxes = np.array(boxes).reshape(-1, 4)
        expected = by_samples(boxes, 16, 4, fine=8)
        assert np.allclose(patch_overlap([boxes], 16, 4)[0], expected, atol=1e-12)

    def test_uniform_attention_holds_the_covered_share(self):
        boxes = [np.array([[3.3, 1.7, 12.1, 9.9], [5, 5, 15, 11]])]
        uniform = np.full((1, 4, 4), 1 / 16)
        area = 8.8 * 8.2 + 10 * 6 - 7.1 * 4.9
        assert mass_in_box(uniform, patch_overlap(boxes, 16, 4)) == pytest.approx(area / 256)

    def test_a_peak_on_a_patch_covered_in_part_is_a_hit_in_part(self):
        maps = np.zeros((1, 4, 4))
        maps[0, 1, 2] = 1
        assert hit(maps, patch_overlap([np.array([[8, 4, 11, 8]])], 16, 4)) == 0.75


class TestMaps:
    def test_uniform_attention_holds_the_share_of_the_area(self):
        masks = foreground_masks([np.array([[1, 1, 4, 6]])], 10)
        assert mass_in_box(np.full((1, 10, 10), 0.01), masks) == pytest.approx(15 / 100)

    def test_hit_is_the_peak_on_the_foreground(self):
        maps = np.zeros((2, 5, 5))
        maps[0, 2, 2] = maps[1, 4, 0] = 1
        masks = foreground_masks([np.array([[2, 2, 3, 3]])] * 2, 5)
        assert hit(maps, masks).tolist() == [1.0, 0.0]

    def test_of_equal_peaks_the_first_row_counts(self):
        maps = np.zeros((1, 4, 4))
        maps[0, 1, 3] = maps[0, 2, 0] = 0.5
        assert hit(maps, foreground_masks([np.array([[3, 1, 4, 2]])], 4)) == 1
        assert hit(maps, foreground_masks([np.array([[0, 2, 1, 3]])], 4)) == 0

    def test_peaks_that_differ_by_rounding_alone_are_equal(self):
        maps = np.zeros((1, 2, 2))
        maps[0, 0, 0], maps[0, 1, 1] = 0.5, np.nextafter(0.5, 1)
        assert hit(maps, foreground_masks([np.array([[0, 0, 1, 1]])], 2)) == 1

    def test_an_image_without_foreground_has_no_answer(self):
        maps, masks = np.full((1, 4, 4), 1 / 16), foreground_masks([NO_BOX], 4)
        crops = np.array([[[0, 0, 2, 2]]])
        coverage = crop_coverage(crops, masks)
        for values in (mass_in_box(maps, masks), hit(maps, masks), coverage, crop_hit(coverage)):
            assert np.isnan(values).all()


class TestCrops:
    masks = foreground_masks([np.array([[0, 0, 4, 2]]), np.array([[6, 6, 8, 8]])], 8)

    def test_coverage_is_the_share_of_the_foreground_inside_any_crop(self):
        crops = np.array([[[0, 0, 2, 2], [0, 0, 2, 2]], [[1, 1, 3, 3], [7, 7, 8, 8]]])
        assert crop_coverage(crops, self.masks).tolist() == [5 / 8, 1 / 4]

    def test_half_is_a_hit(self):
        crops = np.array([[[0, 0, 2, 2], [6, 6, 7, 7]]])
        coverage = crop_coverage(crops, self.masks)
        assert coverage.tolist() == [0.5, 0.25]
        assert crop_hit(coverage).tolist() == [1.0, 0.0]

    def test_no_crops_cover_nothing(self):
        assert crop_coverage(np.empty((0, 2, 4), int), self.masks).tolist() == [0, 0]


def test_a_box_covers_a_centre_where_its_foreground_has_a_pixel():
    rng = np.random.default_rng(0)
    corners = rng.uniform(-2, 10, (300, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 1.5, (300, 2))], axis=1)
    found = [covers_a_centre(box[None], 8) for box in boxes]
    assert found == foreground_masks([box[None] for box in boxes], 8).any(axis=(1, 2)).tolist()
    assert 0 < sum(found) < 300
    assert not covers_a_centre(np.zeros((0, 4)), 8)
