"""Attention and boxes drawn over an image."""

from __future__ import annotations

import numpy as np

from a2pipe.reports.matrix import GalleryItem
from a2pipe.reports.overlay import draw_attention, draw_boxes, draw_patches, heat

NONE = np.zeros((0, 4), dtype=np.int32)


def test_attention_is_brightest_at_its_peak() -> None:
    image = np.full((16, 16, 3), 128, dtype=np.uint8)
    attention = np.full((16, 16), 0.001)
    attention[4, 11] = 1
    brightness = heat(image, attention).sum(axis=2)
    assert np.unravel_index(brightness.argmax(), brightness.shape) == (4, 11)
    assert brightness[0, 0] < image[0, 0].sum()


def test_flat_zero_attention_only_darkens() -> None:
    image = np.full((8, 8, 3), 200, dtype=np.uint8)
    assert (heat(image, np.zeros((8, 8))) < image).all()


def test_boxes_are_drawn_on_their_outermost_pixels() -> None:
    image = np.full((32, 32, 3), 90, dtype=np.uint8)
    drawn = draw_boxes(image, np.array([[8, 4, 24, 20]]), NONE, side=320)
    changed = (drawn != 90).any(axis=2)
    ys, xs = np.nonzero(changed)
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (80, 40, 239, 199)
    assert not changed[60:180, 100:220].any()


def test_truth_and_crop_look_different() -> None:
    image = np.full((32, 32, 3), 90, dtype=np.uint8)
    box = np.array([[8, 4, 24, 20]])
    assert (draw_boxes(image, box, NONE) != draw_boxes(image, NONE, box)).any()


def test_overlay_leaves_its_inputs_alone(gallery: list[GalleryItem]) -> None:
    item = gallery[0]
    image, attention = item.image.copy(), item.attention.copy()
    drawn = draw_attention(item.image, item.attention, item.boxes, item.truth, side=200)
    assert drawn.shape == (200, 200, 3)
    assert drawn.dtype == np.uint8
    assert (item.image == image).all()
    assert (item.attention == attention).all()


def test_tiny_and_degenerate_boxes_are_drawn() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    truth = np.array([[2.2, 2.2, 2.3, 2.3], [0, 0, 8, 8]])
    assert draw_boxes(image, np.array([[3, 3, 4, 4]]), truth, side=8).shape == (8, 8, 3)


def test_patches_that_are_not_chosen_are_grey_and_dark():
    image = np.full((8, 8, 3), (200, 100, 0), np.uint8)
    chosen = np.zeros((8, 8), bool)
    chosen[:4, :4] = True
    drawn = draw_patches(image, chosen, side=80)
    assert drawn[10, 10].tolist() == [200, 100, 0]
    assert drawn[60, 60].tolist() == [30, 30, 30]
    assert drawn[39, 10].tolist() == drawn[10, 38].tolist() == [255, 158, 27]  # its edge
    assert drawn[0, 10].tolist() == [200, 100, 0]  # the picture's edge is none
