"""Masked canvases: ranks, masks and filled pixels against plain loops."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.errors import UsageError
from a2pipe.stages.boxes.masked import MaskedBox, RandomlyMaskedBox, check_grid, filled
from a2pipe.stages.boxes.registry import forms
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.specs import AttentionSpec, MapSpec, ModelSpec

MODEL = ModelSpec("{}", "w" * 32, (0.5,) * 3, (0.5,) * 3)
SCORE = MapSpec(AttentionSpec(MODEL, 32, 12))
COLOUR = "0.485,0.456,0.406"
DRAWS = np.random.default_rng(3)


def masked(order, count, fill=COLOUR, score=SCORE):
    return MaskedBox(score, order, count, fill, 32)


def at_random(count, seed=0, fill=COLOUR):
    return RandomlyMaskedBox(count, 4, seed, fill, 32)


def canvases(count=5):
    return torch.from_numpy(DRAWS.integers(0, 256, (count, 3, 32, 32), np.uint8)).float() / 255


def by_loop(values, order, count):
    """Take the best patch that is left, the first of equal ones, `count` times."""
    left, mask = dict(enumerate(values)), np.zeros(len(values), np.uint8)
    for _ in range(count):
        best = max(left.values()) if order == "highest" else min(left.values())
        index = min(place for place, value in left.items() if value == best)
        mask[index] = 1
        del left[index]
    return mask


@pytest.mark.parametrize("order", ["highest", "lowest"])
def test_the_first_patches_of_an_order_are_masked_and_of_ties_the_lower_index(order):
    maps = DRAWS.integers(0, 5, (40, 4, 4)) / 7  # with many ties
    for count in (1, 5, 15):
        found = masked(order, count).place(["x"] * 40, None, maps)
        assert found.dtype == np.uint8
        expected = [by_loop(each.ravel(), order, count) for each in maps]
        np.testing.assert_array_equal(found, expected)


def test_a_longer_mask_holds_the_shorter_ones():
    maps = DRAWS.random((20, 4, 4))
    for box in (lambda k: masked("lowest", k), at_random):
        masks = [box(k).place([str(i) for i in range(20)], None, maps) for k in range(1, 16)]
        assert all((a <= b).all() for a, b in pairwise(masks))
        assert [int(each[0].sum()) for each in masks] == list(range(1, 16))


def test_a_random_order_depends_on_seed_and_image_alone():
    images = [f"{number:032x}" for number in range(30)]
    one = at_random(6).place(images)
    np.testing.assert_array_equal(at_random(6).place(images[::-1])[::-1], one)
    assert (at_random(6, seed=1).place(images) != one).any(axis=1).all()
    assert len({each.tobytes() for each in one}) > 25
    assert at_random(6).place([str(i) for i in range(400)]).mean(axis=0).min() > 0.2
    assert (at_random(16).place(images) == 1).all()


@pytest.mark.parametrize("fill", [COLOUR, "image-mean", "blur"])
def test_masked_pixels_are_those_of_a_loop(fill):
    pixels, maps = canvases(), DRAWS.random((5, 4, 4))
    box = masked("highest", 5, fill)
    masks = box.place(["x"] * 5, None, maps)
    found = box.crops(pixels, masks.astype(np.int32), 32)
    stands = torch.broadcast_to(filled(pixels, fill, 8), pixels.shape)
    expected = pixels.clone()
    for image, mask in enumerate(masks):
        for patch in np.flatnonzero(mask):
            y, x = 8 * (patch // 4), 8 * (patch % 4)
            expected[image, :, y : y + 8, x : x + 8] = stands[image, :, y : y + 8, x : x + 8]
    assert found.equal(expected)


def test_what_stands_there_is_the_colour_the_mean_or_the_blurred_image():
    pixels = canvases()
    colour = filled(pixels, COLOUR, 8).flatten().tolist()
    assert colour == pytest.approx([0.485, 0.456, 0.406])
    mean = filled(pixels, "image-mean", 8)
    torch.testing.assert_close(mean, pixels.mean(dim=(2, 3), keepdim=True))
    blurred = filled(pixels, "blur", 8)
    expected = gaussian_filter(pixels.numpy(), (0, 0, 8, 8), mode="nearest", truncate=3)
    # Rounded to levels twice.
    assert np.abs(blurred.numpy() - expected).max() < 1.2 / 255


def test_a_colour_that_is_the_mean_of_a_model_is_zero_to_it():
    from a2pipe.models.preprocessing import normalize

    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    fill = ",".join(map(repr, mean))
    box = RandomlyMaskedBox(16, 4, 0, fill, 32)
    shown = box.crops(canvases(), box.place(["x"] * 5).astype(np.int32), 32)
    assert not normalize(shown, torch.tensor(mean), torch.tensor(std)).any()


@pytest.mark.parametrize("fill", ["image-mean", "blur"])
def test_neighbours_change_no_bit(fill):
    pixels = canvases(6)
    together = torch.broadcast_to(filled(pixels, fill, 8), pixels.shape)
    for place in range(6):
        alone = filled(pixels[place : place + 1], fill, 8)
        assert torch.broadcast_to(alone, (1, 3, 32, 32))[0].equal(together[place])


def test_every_part_of_a_pass_is_in_its_address():
    other = MapSpec(AttentionSpec(MODEL, 32, 11))
    boxes = [
        *(masked("highest", 5), masked("lowest", 5), masked("highest", 6)),
        *(masked("highest", 5, "blur"), masked("highest", 5, score=other)),
        *(at_random(5), at_random(5, seed=1), at_random(6), at_random(5, fill="blur")),
        RandomlyMaskedBox(5, 8, 0, COLOUR, 32),
        RandomlyMaskedBox(5, 4, 0, COLOUR, 32, "letterbox"),
    ]
    assert len({*map(fingerprint, boxes)}) == len(boxes)


def test_names_are_read_and_the_kinds_are_not_offered():
    canvas = Canvas(32, "letterbox")
    (box,) = MaskedBox.named(f"highest:5:{COLOUR}", canvas, (), SCORE).boxes
    assert box == masked("highest", 5)
    (box,) = RandomlyMaskedBox.named("5:4:7:blur", canvas).boxes
    assert box == RandomlyMaskedBox(5, 4, 7, "blur", 32, "letterbox")
    assert "masked" not in forms()


def test_words_say_what_is_masked():
    assert masked("lowest", 5, "blur").what == "5 patches masked, lowest first, filled with blur"
    assert at_random(5, 3, "blur").name == "5 patches masked at random, seed 3, filled with blur"
    assert at_random(16, 0, "blur").name == "all 16 patches masked, filled with blur"


def test_patches_have_to_divide_the_canvas():
    check_grid(32, 4)
    with pytest.raises(UsageError, match="5 x 5 patches do not divide an image of 32 px"):
        check_grid(32, 5)
