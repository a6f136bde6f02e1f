"""Pixels before the model."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from a2pipe.errors import A2pipeError
from a2pipe.models.preprocessing import crop_resize, normalize, squash, to_unit


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_squash_ignores_the_aspect_ratio() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, 20:] = 255
    small = squash(image, 10)
    assert small.shape == (10, 10, 3)
    assert small.dtype == np.uint8
    assert (small[:, :4] == 0).all()
    assert (small[:, 6:] == 255).all()


def test_squash_is_pillows_antialiased_bilinear() -> None:
    image = noise(61, 83)
    expected = Image.fromarray(image).resize((24, 24), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(squash(image, 24), np.asarray(expected))


def test_squash_of_the_right_size_is_a_copy() -> None:
    image = noise(16, 16)
    same = squash(image, 16)
    np.testing.assert_array_equal(same, image)
    same[0] = 0
    assert (image[0] != 0).any()


def test_to_unit_spans_zero_to_one_with_channels_first() -> None:
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 0, 1] = (255, 51, 0)
    unit = to_unit(pixels)
    assert unit.shape == (1, 3, 2, 2)
    torch.testing.assert_close(unit[0, :, 0, 1], torch.tensor([1.0, 0.2, 0.0]))


def test_normalize_is_per_channel() -> None:
    images = torch.full((1, 3, 2, 2), 0.5)
    out = normalize(images, (0.5, 0.25, 0.0), (1.0, 0.5, 0.25))
    torch.testing.assert_close(out[0, :, 0, 0], torch.tensor([0.0, 0.5, 2.0]))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.data())
def test_a_crop_of_its_own_size_is_the_pixels_themselves(side, data) -> None:
    images = to_unit(np.stack([noise(12, 15, seed) for seed in range(3)]))
    corners = [
        (data.draw(st.integers(0, 15 - side)), data.draw(st.integers(0, 12 - side)))
        for _ in range(3)
    ]
    boxes = np.array([(x, y, x + side, y + side) for x, y in corners], np.int32)
    crops = crop_resize(images, boxes, side)
    for image, crop, (x, y) in zip(images, crops, corners, strict=True):
        assert torch.equal(crop, image[:, y : y + side, x : x + side])


def test_the_full_box_of_the_right_size_changes_nothing() -> None:
    images = to_unit(noise(96, 96)[None])
    assert torch.equal(crop_resize(images, np.array([[0, 0, 96, 96]], np.int32), 96), images)


def test_enlarging_uses_half_pixel_centres_and_clamped_edges() -> None:
    images = torch.tensor([[0.0, 1.0]]).expand(1, 3, 2, 2)
    out = crop_resize(images, np.array([[0, 0, 2, 2]], np.int32), 4)
    torch.testing.assert_close(out[0, 0, 0], torch.tensor([0.0, 0.25, 0.75, 1.0]))


def test_shrinking_is_antialiased() -> None:
    stripes = torch.arange(16).remainder(2).float().expand(1, 3, 16, 16)
    out = crop_resize(stripes, np.array([[0, 0, 16, 16]], np.int32), 4)
    assert (out - 0.5).abs().max() < 0.1


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[0, 0, 4, 4], [0, 0, 5, 5]], "squares of one size"),
        ([[0, 0, 4, 5], [0, 0, 4, 5]], "squares of one size"),
        ([[0, 0, 0, 0], [1, 1, 1, 1]], "squares of one size"),
        ([[0, 0, 4, 4], [-1, 0, 3, 4]], "leaves"),
        ([[0, 0, 4, 4], [5, 5, 9, 9]], "leaves"),
        ([[0, 0, 4, 4]], "as many boxes"),
    ],
)
def test_boxes_that_cannot_be_cut_are_refused(boxes, words) -> None:
    with pytest.raises(A2pipeError, match=words):
        crop_resize(torch.zeros(2, 3, 8, 8), np.array(boxes, np.int32), 4)


def test_no_images_give_no_crops() -> None:
    crops = crop_resize(torch.zeros(0, 3, 8, 8), np.zeros((0, 4), np.int32), 4)
    assert crops.shape == (0, 3, 4, 4)
