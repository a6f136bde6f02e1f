"""The demo's raw material, and the wall between pretraining and evaluation."""

import numpy as np
import pytest

from a2pipe.datasets.demo import source as demo_source
from a2pipe.datasets.demo.source import CompositeRecipe, composite, photo_half

RESERVED = [1344, 1007, 1250, 274]


def test_masks_are_alpha_in_the_unit_range() -> None:
    masks = demo_source.digit_masks()
    assert masks.alpha.shape == (1797, 32, 32)
    assert masks.alpha.dtype == np.float32
    assert masks.alpha.min() == 0
    assert masks.alpha.max() == 1


def test_pretraining_and_evaluation_share_no_digit() -> None:
    pretrain, evaluation = demo_source.pretrain_digits(), demo_source.evaluation_digits()
    assert (len(pretrain), len(evaluation)) == (898, 899)
    assert sorted([*pretrain, *evaluation]) == list(range(1797))


def test_the_reservation_is_fixed() -> None:
    assert demo_source.pretrain_digits()[:4].tolist() == RESERVED


@pytest.mark.parametrize("split_seed", [0, 1])
def test_a_split_deals_every_evaluation_digit_once(split_seed: int) -> None:
    split = demo_source.split_digits(split_seed)
    assert (len(split.train), len(split.test)) == (539, 360)
    assert sorted([*split.train, *split.test]) == sorted(demo_source.evaluation_digits())


def test_split_seeds_deal_differently() -> None:
    first, second = demo_source.split_digits(0), demo_source.split_digits(1)
    assert set(first.train) != set(second.train)


@pytest.mark.parametrize("photo", demo_source.PHOTOS)
def test_the_two_halves_join_to_the_photo(photo: str) -> None:
    from sklearn.datasets import load_sample_images

    left, right = (photo_half(photo, half, (1.0,))[0] for half in ("left", "right"))
    whole = load_sample_images().images[demo_source.PHOTOS.index(photo)]
    np.testing.assert_array_equal(np.concatenate([left, right], axis=1), whole)


def test_tight_box_is_half_open() -> None:
    alpha = np.zeros((6, 6), np.float32)
    alpha[1:3, 2:5] = 0.31
    alpha[5, 5] = 0.3
    assert demo_source.tight_box(alpha) == (2, 1, 5, 3)


def test_a_composite_changes_pixels_in_and_near_its_box_only() -> None:
    background = np.full((96, 96, 3), 0.5, np.float32)
    made = composite(demo_source.digit_masks().alpha[0], background, np.random.default_rng(3))
    changed = np.abs(made.image.astype(int) - 128).max(axis=2) > 0
    x0, y0, x1, y1 = made.box
    assert changed[y0:y1, x0:x1].any()
    changed[max(0, y0 - 4) : y1 + 4, max(0, x0 - 4) : x1 + 4] = False
    assert not changed.any()


def test_a_composite_stands_off_centre_and_in_contrast() -> None:
    background = np.full((96, 96, 3), 0.5, np.float32)
    solid = np.ones((32, 32), np.float32)
    recipe = CompositeRecipe(opacity=(1.0, 1.0))
    for seed in range(20):
        made = composite(solid, background, np.random.default_rng(seed), recipe)
        x0, y0, x1, y1 = made.box
        colour = made.image[(y0 + y1) // 2, (x0 + x1) // 2] / 255
        assert np.hypot((x0 + x1) / 2 - 48, (y0 + y1) / 2 - 48) >= 0.2 * 96
        assert np.linalg.norm(colour - 0.5) >= 0.39
        assert 26 <= x1 - x0 <= 40
