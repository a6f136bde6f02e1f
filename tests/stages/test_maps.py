"""Maps: the readings of attention, the mean filter, and bilinear upsampling against torch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.stages.maps import (
    normalize,
    patch_maps,
    smooth,
    upsample,
    upsampled_sums,
    upsampling_matrix,
    upsampling_numerators,
)

SIZES = [(16, 224), (14, 224), (37, 518), (37, 224), (6, 48), (1, 7), (3, 3), (5, 3), (7, 50)]


def random_rows(images: int, heads: int, tokens: int) -> np.ndarray:
    rows = np.random.default_rng(3).gamma(0.4, size=(images, heads, tokens)).astype(np.float32)
    return rows / rows.sum(axis=-1, keepdims=True)


def random_maps(images: int, side: int) -> np.ndarray:
    return normalize(np.random.default_rng(5).gamma(0.4, size=(images, side, side)))


class TestPatchMaps:
    def test_slice_weighs_heads_by_their_attention_to_patches(self):
        rows = np.array([[[0.0, 1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0, 0.5]]])
        assert np.allclose(patch_maps(rows, 1), [[[2 / 3, 0], [0, 1 / 3]]])

    def test_patch_softmax_weighs_heads_equally(self):
        rows = np.array([[[0.0, 1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0, 0.5]]])
        maps = patch_maps(rows, 1, reading="patch-softmax")
        assert np.allclose(maps, [[[0.5, 0], [0, 0.5]]])

    @pytest.mark.parametrize("reading", ["slice", "patch-softmax"])
    def test_float64_maps_sum_to_one_whatever_the_prefix(self, reading):
        maps = patch_maps(random_rows(4, 3, 5 + 16), 5, reading=reading)
        assert maps.shape == (4, 4, 4)
        assert maps.dtype == np.float64
        assert np.allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-14)

    def test_order_of_heads_does_not_matter(self):
        rows = random_rows(2, 6, 10)
        assert np.allclose(patch_maps(rows, 1), patch_maps(rows[:, ::-1], 1), rtol=1e-13)

    def test_readings_agree_where_heads_give_patches_the_same(self):
        rows = random_rows(2, 6, 10)
        rows[:, :, 1:] /= 2 * rows[:, :, 1:].sum(axis=-1, keepdims=True)
        sliced, softmaxed = (patch_maps(rows, 1, reading=r) for r in ("slice", "patch-softmax"))
        assert np.allclose(sliced, softmaxed, rtol=1e-6)

    def test_a_row_without_attention_on_patches_is_nan_and_leaves_the_others(self):
        rows = random_rows(3, 2, 5)
        rows[1, :, 1:] = 0
        rows[2] = np.nan
        assert np.isnan(patch_maps(rows, 1)).all(axis=(1, 2)).tolist() == [False, True, True]

    def test_patches_that_make_no_square_are_refused(self):
        with pytest.raises(A2pipeError, match="The 17 patches of an image are no square grid"):
            patch_maps(random_rows(1, 2, 17), 0)

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"heads": "median"}, "'median' is not understood; write mean, max"),
            ({"reading": "sliced"}, "Unknown reading .*'sliced': use 'slice' or 'patch-softmax'"),
        ],
    )
    def test_unknown_names_are_usage_errors(self, wrong, said):
        with pytest.raises(UsageError, match=said):
            patch_maps(random_rows(1, 2, 5), 1, **wrong)


class TestSmooth:
    def test_side_one_changes_nothing(self):
        maps = random_maps(2, 5)
        assert smooth(maps, 1) is maps

    @pytest.mark.parametrize("side", [3, 5, 9])
    def test_is_the_mean_over_existing_cells_renormalised(self, side):
        maps, reach = random_maps(2, 6), side // 2
        expected = np.zeros_like(maps)
        for y in range(6):
            for x in range(6):
                rows = slice(max(y - reach, 0), y + reach + 1)
                columns = slice(max(x - reach, 0), x + reach + 1)
                expected[:, y, x] = maps[:, rows, columns].mean(axis=(1, 2))
        assert np.allclose(smooth(maps, side), normalize(expected), rtol=1e-13)

    @pytest.mark.parametrize("side", [0, -3, 2])
    def test_even_and_empty_sides_are_refused(self, side):
        with pytest.raises(UsageError, match="odd number"):
            smooth(random_maps(1, 4), side)


class TestUpsample:
    @pytest.mark.parametrize(("cells", "size"), SIZES)
    def test_equals_torch_in_float64(self, cells, size):
        maps = random_maps(3, cells)
        there = torch.nn.functional.interpolate(
            torch.from_numpy(maps)[:, None], size=(size, size), mode="bilinear", align_corners=False
        )[:, 0].numpy()
        assert np.allclose(upsample(maps, size), normalize(there), rtol=1e-12, atol=0)

    @pytest.mark.parametrize(("cells", "size"), SIZES)
    def test_maps_sum_to_one(self, cells, size):
        assert np.allclose(upsample(random_maps(3, cells), size).sum(axis=(1, 2)), 1, rtol=1e-13)

    @pytest.mark.parametrize(("cells", "size"), SIZES)
    def test_sums_without_upsampling_are_those_of_the_upsampled_map(self, cells, size):
        maps, weights = random_maps(3, cells), upsampling_matrix(cells, size)
        sums = (weights @ maps @ weights.T).sum(axis=(1, 2))
        assert np.allclose(upsampled_sums(maps, size), sums, rtol=1e-12)

    def test_uniform_stays_uniform(self):
        assert np.allclose(upsample(np.full((1, 16, 16), 1 / 256), 224), 1 / 224**2, rtol=1e-13)

    def test_one_patch_becomes_a_tent_two_patches_wide(self):
        patch = np.zeros((1, 16, 16))
        patch[0, 8, 3] = 1
        rows, columns = np.nonzero(upsample(patch, 224)[0])
        assert (rows.min(), rows.max()) == (7 * 14 + 7, 9 * 14 + 6)
        assert (columns.min(), columns.max()) == (2 * 14 + 7, 4 * 14 + 6)

    def test_a_map_has_the_same_bits_alone_and_in_a_batch(self):
        maps = random_maps(9, 16)
        alone = np.concatenate([upsample(one[None], 224) for one in maps])
        assert np.array_equal(upsample(maps, 224), alone)

    def test_a_nan_map_leaves_its_neighbours_alone(self):
        maps = random_maps(2, 4)
        maps[0] = np.nan
        assert np.array_equal(upsample(maps, 9)[1:], upsample(maps[1:], 9))

    @given(st.integers(1, 40), st.integers(1, 300))
    def test_weights_are_exact_symmetric_and_sum_to_one(self, cells, size):
        numerators = upsampling_numerators(cells, size)
        assert (numerators >= 0).all()
        assert (numerators.sum(axis=1) == 2 * size).all()
        assert np.array_equal(numerators, numerators[::-1, ::-1])
