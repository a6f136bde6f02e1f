"""Pixels before the model."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from a2pipe.errors import A2pipeError
from a2pipe.models.preprocessing import (
    crop_resize,
    normalize,
    resize_part,
    to_device,
    to_unit,
    unit,
)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_whole_image_is_resized_whatever_its_aspect_ratio() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, 20:] = 255
    small = resize_part(image, (0, 0, 40, 20), 10, 10)
    assert small.shape == (10, 10, 3)
    assert small.dtype == np.uint8
    assert (small[:, :4] == 0).all()
    assert (small[:, 6:] == 255).all()


def test_resizing_is_pillows_antialiased_bilinear() -> None:
    image = noise(61, 83)
    expected = Image.fromarray(image).resize((24, 30), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resize_part(image, (0, 0, 83, 61), 24, 30), np.asarray(expected))


def test_a_part_of_its_own_size_is_a_copy() -> None:
    image = noise(16, 20)
    same = resize_part(image, (3, 2, 19, 14), 16, 12)
    np.testing.assert_array_equal(same, image[2:14, 3:19])
    same[:] = 0
    assert image.any()


@pytest.mark.parametrize(("width", "height"), [(4, 3), (31, 17)])
def test_pixels_outside_a_part_have_no_part_in_it(width, height) -> None:
    image = noise(20, 24)
    inside = resize_part(image, (5, 4, 17, 12), width, height)
    around = np.full_like(image, 255)
    around[4:12, 5:17] = image[4:12, 5:17]
    np.testing.assert_array_equal(resize_part(around, (5, 4, 17, 12), width, height), inside)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_edges_between_pixels_are_where_they_are_said_to_be(data) -> None:
    """On a ramp, linear resizing shows the place of each of its pixels' centres."""
    ramp = np.broadcast_to(np.arange(0, 250, 5, dtype=np.uint8)[None, :, None], (4, 50, 3))
    x0 = data.draw(st.floats(2, 20))
    x1 = data.draw(st.floats(x0 + 8, 48))
    shown = resize_part(ramp, (x0, 0.5, x1, 3.5), 8, 2)[0, :, 0].astype(float)
    centres = x0 + (np.arange(8) + 0.5) * (x1 - x0) / 8
    inner = (centres > x0 + (x1 - x0) / 8) & (centres < x1 - (x1 - x0) / 8)
    np.testing.assert_allclose(shown[inner], 5 * (centres[inner] - 0.5), atol=1.0)


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


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("side", "size"), [(64, 48), (40, 96), (96, 96), (96, 98), (130, 48)])
def test_no_bit_of_a_crop_depends_on_its_batch(side, size, threads) -> None:
    torch.set_num_threads(threads)
    generator = np.random.default_rng(side)
    images = to_unit(np.stack([noise(140, 150, seed) for seed in range(33)]))
    corners = generator.integers(0, 141 - side, (33, 2))
    boxes = np.concatenate([corners, corners + side], axis=1).astype(np.int32)
    together = crop_resize(images, boxes, size)
    for batch in (1, 7, 16):
        order = generator.permutation(33)
        for start in range(0, 33, batch):
            chosen = order[start : start + batch]
            assert torch.equal(crop_resize(images[chosen], boxes[chosen], size), together[chosen])


def test_pixels_are_moved_as_bytes_and_converted_where_they_are() -> None:
    pixels = noise(6, 5)[None]
    moved = to_device(pixels)
    assert (moved.dtype, moved.shape) == (torch.uint8, (1, 6, 5, 3))
    assert moved.data_ptr() == pixels.ctypes.data
    assert torch.equal(unit(moved), to_unit(pixels))
    assert unit(moved).is_contiguous()


def test_no_bit_depends_on_how_many_images_are_converted_at_once() -> None:
    moved = to_device(np.stack([noise(17, 19, seed) for seed in range(9)]))
    mean, std = torch.tensor([0.1, 0.2, 0.3]), (0.3, 0.2, 0.1)
    together = normalize(unit(moved), mean, std)
    for index in range(9):
        assert torch.equal(normalize(unit(moved[index : index + 1]), mean, std)[0], together[index])


def test_no_images_give_no_crops() -> None:
    crops = crop_resize(torch.zeros(0, 3, 8, 8), np.zeros((0, 4), np.int32), 4)
    assert crops.shape == (0, 3, 4, 4)
