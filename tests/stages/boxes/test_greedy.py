"""Greedy boxes: the selection against a search in exact integers."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.stages.boxes.greedy import greedy_boxes, tolerance
from a2pipe.stages.maps import normalize, upsample

Square = tuple[int, int, int, int]


def greedy_box(maps, size, previous=None, **where):
    """The next box of the selection."""
    return greedy_boxes(maps, [size], previous, **where)[0]


def meet(one: Square, other: Square) -> bool:
    """Whether two half-open squares share a pixel."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def searched(values: np.ndarray, sizes: list[int]) -> list[Square]:
    """The selection by brute force over integer pixels: exact sums, first of the largest."""
    placed: list[Square] = []
    for size in sizes:
        places = range(len(values) - size + 1)
        squares = [(x, y, x + size, y + size) for y in places for x in places]
        free = [s for s in squares if not any(meet(s, box) for box in placed)]
        sums = [int(values[y0:y1, x0:x1].sum()) for x0, y0, x1, y1 in free]
        placed.append(free[sums.index(max(sums))])
    return placed


def exactly(values: np.ndarray, sizes: list[int]) -> list[Square]:
    """What `searched` finds, faster: integer sums of all squares at once."""
    placed: list[Square] = []
    totals = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    for size in sizes:
        sums = totals[size:, size:] - totals[:-size, size:] - totals[size:, :-size]
        sums = sums + totals[:-size, :-size]
        for x0, y0, x1, y1 in placed:
            sums[max(y0 - size + 1, 0) : y1, max(x0 - size + 1, 0) : x1] = -1
        y, x = divmod(int(sums.argmax()), sums.shape[1])
        placed.append((x, y, x + size, y + size))
    return placed


def bilinear(cells: int, size: int) -> np.ndarray:
    """Integer weights (size, cells) of bilinear upsampling, over a denominator of 2 * size."""
    weights = np.zeros((size, cells), dtype=np.int64)
    for pixel in range(size):
        at = max(Fraction((2 * pixel + 1) * cells, 2 * size) - Fraction(1, 2), Fraction(0))
        low = floor(at)
        share = at - low
        weights[pixel, low] += int((1 - share) * 2 * size)
        weights[pixel, min(low + 1, cells - 1)] += int(share * 2 * size)
    return weights


def as_lists(boxes: np.ndarray) -> list[list[Square]]:
    """(k, B, 4) boxes as one list of tuples an image."""
    return [[tuple(box) for box in image] for image in boxes.swapaxes(0, 1).tolist()]


def integer_maps(count: int, side: int, seed: int) -> np.ndarray:
    """Maps of few and of many distinct values, sparse and dense: (count, side, side) integers."""
    generator = np.random.default_rng(seed)
    limits = generator.choice([2, 3, 5, 1000, 2**26], size=(count, 1, 1))
    values = generator.integers(0, limits, size=(count, side, side))
    density = generator.choice([0.02, 0.3, 1.0], size=(count, 1, 1))
    values *= generator.random(values.shape) < density
    values += generator.choice([0, 0, 10**8], size=(count, 1, 1))  # sums that differ by 1e-11
    values[:, -1, -1] += values.sum(axis=(1, 2)) == 0
    return values


class TestGreedyOnPixels:
    @given(st.data())
    def test_agrees_with_brute_force(self, data):
        side = data.draw(st.integers(2, 9))
        cells = st.lists(st.integers(0, 3), min_size=side * side, max_size=side * side)
        values = np.array(data.draw(cells.filter(any))).reshape(side, side)
        sizes = data.draw(st.lists(st.integers(1, max(side // 3, 1)), min_size=1, max_size=2))
        scale = data.draw(st.sampled_from([1.0, 1 / 3, 1e-9, 12345.678]))
        found = greedy_boxes((values / values.sum() * scale)[None], sizes)
        assert as_lists(found) == [searched(values, sizes)]

    @pytest.mark.parametrize(
        ("side", "sizes", "seed"), [(24, [8, 5], 0), (31, [9, 9, 9, 9], 1), (40, [16, 7, 11], 2)]
    )
    def test_agrees_with_exact_sums_on_two_thousand_maps(self, side, sizes, seed):
        values = integer_maps(2000, side, seed)
        maps = normalize(values.astype(np.float64))
        assert as_lists(greedy_boxes(maps, sizes)) == [exactly(one, sizes) for one in values]

    def test_the_two_oracles_agree(self):
        for values in integer_maps(40, 12, seed=4):
            assert searched(values, [4, 3, 3]) == exactly(values, [4, 3, 3])

    def test_full_size_maps_of_few_values(self):
        values = integer_maps(40, 224, seed=5) % 3
        maps = normalize(values.astype(np.float64))
        assert as_lists(greedy_boxes(maps, [64, 32])) == [exactly(v, [64, 32]) for v in values]


class TestGreedyOnPatches:
    def check(self, patches: np.ndarray, canvas: int, sizes: list[int]) -> None:
        """Boxes from patches and from upsampled pixels are those of the exact integer pixels."""
        weights = bilinear(patches.shape[-1], canvas)
        expected = [exactly(weights @ one @ weights.T, sizes) for one in patches]
        maps = normalize(patches.astype(np.float64))
        assert as_lists(greedy_boxes(maps, sizes, canvas=canvas)) == expected
        assert as_lists(greedy_boxes(upsample(maps, canvas), sizes)) == expected

    @pytest.mark.parametrize(
        ("grid", "canvas", "step"), [(16, 224, 3), (14, 224, 5), (37, 224, 43), (6, 48, 1)]
    )
    def test_tents_of_one_patch(self, grid, canvas, step):
        tents = np.eye(grid * grid, dtype=np.int64).reshape(-1, grid, grid)[::step]
        self.check(tents, canvas, [canvas * 2 // 7, canvas // 7])

    @pytest.mark.parametrize(("grid", "canvas"), [(6, 48), (5, 37), (7, 50)])
    def test_a_thousand_maps_of_few_values(self, grid, canvas):
        patches = np.random.default_rng(grid).integers(0, 3, size=(1000, grid, grid))
        patches[:, 0, 0] += 1
        self.check(patches, canvas, [canvas // 3, canvas // 5])

    def test_random_attention_at_full_size(self):
        patches = np.random.default_rng(0).integers(0, 50, size=(60, 16, 16)) ** 2
        self.check(patches, 224, [64, 32])

    def test_the_box_round_a_tent_is_the_highest_then_leftmost_that_holds_it(self):
        patches = np.zeros((1, 16, 16))
        patches[0, 8, 3] = 1  # its tent spans rows 105..132 and columns 35..62
        assert greedy_box(patches, 64, canvas=224).tolist() == [[0, 69, 64, 133]]

    def test_uniform_attention_fills_the_canvas_from_the_corner(self):
        boxes = greedy_boxes(np.ones((1, 16, 16)), [64, 64, 64, 32], canvas=224)
        starts = [[0, 0], [64, 0], [128, 0], [192, 0]]
        assert boxes[:, 0, :2].tolist() == starts


class TestGreedyContract:
    maps = normalize(np.random.default_rng(7).gamma(0.3, size=(6, 16, 16)))

    def test_boxes_are_int32_squares_in_order_of_selection(self):
        boxes = greedy_boxes(self.maps, [64, 32], canvas=224)
        assert boxes.dtype == np.int32
        assert boxes.shape == (2, 6, 4)
        assert (boxes[..., 2:] - boxes[..., :2] == np.array([64, 32])[:, None, None]).all()

    def test_one_crop_after_another_is_the_list_at_once(self):
        first = greedy_box(self.maps, 64, canvas=224)
        second = greedy_box(self.maps, 32, first[None], canvas=224)
        assert np.array_equal([first, second], greedy_boxes(self.maps, [64, 32], canvas=224))

    def test_an_image_has_the_same_box_in_any_batch(self):
        alone = [greedy_box(one[None], 32, canvas=224)[0] for one in self.maps]
        assert np.array_equal(greedy_box(self.maps, 32, canvas=224), alone)

    @pytest.mark.parametrize("factor", [2.0**-30, 1 / 7, 1e6])
    def test_scaling_a_map_moves_nothing(self, factor):
        boxes = greedy_boxes(self.maps, [64, 32], canvas=224)
        assert np.array_equal(greedy_boxes(self.maps * factor, [64, 32], canvas=224), boxes)

    def test_differences_above_the_tolerance_decide_and_below_do_not(self):
        for excess, x in ((16, 8), (0.25, 0)):
            pixels = np.ones((1, 16, 16))
            pixels[0, 0, 8] += excess * tolerance(16) * 256
            assert greedy_box(pixels, 1)[0, 0] == x

    def test_crops_may_touch(self):
        pixels = np.zeros((1, 4, 4))
        pixels[0, :2] = 1
        assert greedy_boxes(pixels, [2, 2])[:, 0].tolist() == [[0, 0, 2, 2], [2, 0, 4, 2]]

    def test_no_images_give_no_boxes(self):
        assert greedy_box(np.empty((0, 8, 8)), 4).shape == (0, 4)

    def test_four_crops_of_two_sevenths_always_fit(self):
        boxes = greedy_boxes(self.maps, [64, 64, 64, 64], canvas=224)
        for image in as_lists(boxes):
            assert not any(meet(a, b) for i, a in enumerate(image) for b in image[:i])

    def test_an_image_without_room_is_named(self):
        pixels = np.zeros((2, 4, 4))
        pixels[0, 0, 0] = pixels[1, 1:3, 1:3] = 1
        with pytest.raises(
            A2pipeError, match="Image 1f has no room for a crop of 2 px off its earlier"
        ):
            greedy_boxes(pixels, [2, 2], images=["0e", "1f"])

    @pytest.mark.parametrize("canvas", [None, 9])
    @pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
    def test_a_map_that_is_not_finite_or_empty_is_named(self, value, canvas):
        maps = np.ones((2, 3, 3))
        maps[1] = value
        with pytest.raises(A2pipeError, match="map of image 1 is empty or not finite"):
            greedy_box(maps, 2, canvas=canvas)

    @pytest.mark.parametrize("size", [0, -1, 17])
    def test_sizes_that_cannot_be_are_usage_errors(self, size):
        with pytest.raises(UsageError, match="does not fit a canvas of 16 px"):
            greedy_box(np.ones((1, 16, 16)), size)

    def test_previous_boxes_of_another_batch_are_refused(self):
        with pytest.raises(ValueError, match=r"expected \(k, 6, 4\)"):
            greedy_box(self.maps, 4, np.zeros((1, 5, 4), np.int32))
