"""Resizing on the device: Pillow's pixels within a level, whatever else is in the batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from a2pipe.models.preprocessing import resize_part
from a2pipe.stages.device_resize import ONE, Part, groups, resize_parts, weights

BLACK = (0, 0, 0)
CPU = torch.device("cpu")


def image(height, width, seed=0):
    """Noise with edges, uint8 (3, height, width)."""
    noise = np.random.default_rng(seed).integers(0, 256, (3, height, width), np.uint8)
    return torch.from_numpy(noise)


def whole(pixels, side):
    return Part((0, 0, pixels.shape[2], pixels.shape[1]), (0, 0, side, side))


def squashed(images, side, **options):
    return resize_parts(images, [whole(each, side) for each in images], side, BLACK, **options)


def by_pillow(pixels, part, side):
    """The same part by Pillow, (side, side, 3), black elsewhere."""
    square = np.zeros((side, side, 3), np.uint8)
    x0, y0, x1, y1 = part.filled
    square[y0:y1, x0:x1] = resize_part(
        pixels.permute(1, 2, 0).numpy(), part.shown, x1 - x0, y1 - y0
    )
    return torch.from_numpy(square)


def level_difference(one, other):
    return (one.int() - other.int()).abs().max().item()


@pytest.mark.parametrize("size", [(48, 48), (375, 500), (500, 333), (20, 31), (1, 1), (3, 700)])
@pytest.mark.parametrize("side", [1, 48, 224])
def test_pixels_are_those_of_pillow_within_one_level(size, side):
    pixels = image(*size)
    expected = by_pillow(pixels, whole(pixels, side), side)
    assert level_difference(squashed([pixels], side)[0], expected) <= 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_part_is_that_of_pillow_within_one_level(data):
    height, width, side = (data.draw(st.integers(1, 90)) for _ in range(3))
    shown, filled = [0.0] * 4, [0] * 4
    for axis, length in enumerate((width, height)):
        start = data.draw(st.integers(0, 2 * length - 1))
        shown[axis], shown[axis + 2] = start / 2, data.draw(st.integers(start + 1, 2 * length)) / 2
        filled[axis] = data.draw(st.integers(0, side - 1))
        filled[axis + 2] = data.draw(st.integers(filled[axis] + 1, side))
    pixels, part = image(height, width), Part(tuple(shown), tuple(filled))
    resized = resize_parts([pixels], [part], side, BLACK)[0]
    assert level_difference(resized, by_pillow(pixels, part, side)) <= 1


def test_known_answers():
    # Centres of pixels are .5, .5 and 1.5 from that of the first result, of 2 that have a weight.
    step = torch.tensor([0, 0, 255, 255], dtype=torch.uint8).expand(3, 4, 4)
    dark = round(255 * 0.25 / (0.75 + 0.75 + 0.25))
    assert squashed([step], 2)[0, ..., 0].tolist() == [[dark, 255 - dark]] * 2
    assert squashed([step], 4)[0].equal(step.permute(1, 2, 0))
    assert squashed([torch.full((3, 2, 2), 7, dtype=torch.uint8)], 5).unique().tolist() == [7]


@pytest.mark.parametrize("size", [(48, 48), (30, 48), (48, 30)])
def test_a_side_that_stays_keeps_its_bytes(size):
    pixels = image(*size)
    part = Part((0, 0, size[1], size[0]), (0, 0, size[1], size[0]))
    resized = resize_parts([pixels], [part], 48, BLACK)[0]
    assert resized[: size[0], : size[1]].equal(pixels.permute(1, 2, 0))
    assert not resized[size[0] :].any()
    assert not resized[:, size[1] :].any()


def test_padding_has_its_colour_and_a_fraction_of_a_pixel_is_seen():
    pixels = image(3, 4)
    square, wide = Part((0.5, 0, 3.5, 3), (0, 0, 6, 6)), Part((0, 0, 4, 3), (0, 1, 6, 5))
    cropped, boxed = resize_parts([pixels, pixels], [square, wide], 6, (1, 2, 3))
    assert level_difference(cropped, by_pillow(pixels, square, 6)) <= 1
    assert level_difference(boxed[1:5], by_pillow(pixels, wide, 6)[1:5]) <= 1
    assert boxed[[0, 5]].flatten(0, 1).unique(dim=0).flatten().tolist() == [1, 2, 3]


def test_an_edge_between_halves_of_pixels_is_refused():
    with pytest.raises(ValueError, match="no multiple of a half"):
        resize_parts([image(4, 4)], [Part((0.25, 0, 4, 4), (0, 0, 2, 2))], 2, BLACK)


# --- the bits of an image are its own ------------------------------------------------------------

SIZES = [(60, 80), (80, 60), (60, 80), (7, 200), (33, 35), (300, 260), (1, 1), (60, 80)]
IMAGES = [image(*size, seed) for seed, size in enumerate(SIZES)]
ALONE = torch.cat([squashed([each], 32) for each in IMAGES])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, len(SIZES) - 1), min_size=1, max_size=12),
    st.sampled_from([1, 12 * 1000, 12 * 20_000, 12 * 1_000_000]),
)
def test_order_neighbours_padding_and_room_change_no_bit(which, room):
    assert squashed([IMAGES[index] for index in which], 32, room=room).equal(ALONE[which])


def test_what_was_set_for_products_changes_no_bit_and_stays():
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            assert squashed(IMAGES, 32).equal(ALONE)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(
    "pixels", [image(375, 500), image(2000, 31), torch.full_like(image(500, 9), 255)]
)
def test_sums_are_exact_as_those_of_integers_are(pixels):
    across, down = (
        weights([(0, 2 * length, 0, 48)], 48, length, CPU)[0].long()
        for length in (pixels.shape[2], pixels.shape[1])
    )
    narrow = (pixels.long() @ across.T + ONE // 2) // ONE
    square = (down @ narrow + ONE // 2) // ONE
    assert squashed([pixels], 48)[0].permute(2, 0, 1).long().equal(square)


# --- weights -------------------------------------------------------------------------------------


@given(
    st.integers(0, 3000), st.integers(1, 6000), st.integers(0, 5), st.integers(1, 300),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_weights_are_whole_and_sum_to_one_so_that_no_sum_leaves_float32(
    start, length, first, count
):
    extent = (start + length + 1) // 2 + 3
    found = weights([(start, length, first, count)], first + count + 2, extent, CPU)[0]
    assert found.equal(found.round())
    assert found.min() >= 0
    filled = found[first : first + count]
    assert filled.double().sum(1).eq(ONE).all()
    assert found.sum() == filled.sum()
    assert 255 * ONE + ONE // 2 < 1 << 24
    # Pixels wholly outside what is shown weigh nothing.
    assert not found[:, : start // 2].any()
    assert not found[:, (start + length + 1) // 2 :].any()


def test_weights_of_several_images_are_those_of_each():
    spans = [(0, 1000, 0, 224), (1, 601, 3, 100), (0, 10, 0, 224)]
    together = weights(spans, 224, 600, CPU)
    for index, span in enumerate(spans):
        assert together[index].equal(weights([span], 224, 600, CPU)[0])


# --- groups --------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=20))
def test_every_image_is_in_one_group_and_groups_keep_within_their_room(sizes):
    found = list(groups(sizes, 4, 3 * 1000))
    assert sorted(index for group in found for index in group) == list(range(len(sizes)))
    for group in found:
        height, width = (max(sizes[index][axis] for index in group) for axis in (0, 1))
        assert len(group) == 1 or len(group) * height * max(width, 4 * 4) <= 1000


def test_a_huge_image_pads_no_small_one():
    sizes = [(10, 10), (1000, 1000), (10, 10)]
    assert list(groups(sizes, 8, 3 * 100_000)) == [[0, 2], [1]]
