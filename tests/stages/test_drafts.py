"""Drafts: what libjpeg gives as it scales while decoding, and only where that covers the canvas."""

import numpy as np
import pytest
from PIL import Image

from a2pipe.stages.crops import Crop, whole_canvas
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.pixels import decode, load_canvas, load_crops


@pytest.fixture
def photo(tmp_path):
    """A JPEG of 640 x 480 in which left, right, top and bottom differ."""
    x, y = np.meshgrid(np.linspace(0, 255, 640), np.linspace(0, 255, 480))
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)).save(path, quality=95)
    return str(path)


def by_pillow(path, scale):
    """The file decoded at 1/scale of its size by Pillow alone."""
    with Image.open(path) as image:
        image.draft(None, (image.width // scale, image.height // scale))
        return np.array(image.convert("RGB"))


@pytest.mark.parametrize(
    ("canvas", "scale"),
    [
        (Canvas(48, draft=True), 8),
        (Canvas(60, draft=True), 8),
        (Canvas(61, draft=True), 4),
        (Canvas(224, draft=True), 2),
        (Canvas(480, draft=True), 1),
        (Canvas(640, draft=True), 1),
        (Canvas(80, "letterbox", True), 8),
        (Canvas(81, "letterbox", True), 4),
        (Canvas(60, "center-crop", True), 8),
    ],
)
def test_the_smallest_fraction_that_covers_the_canvas(photo, canvas, scale):
    reduced = by_pillow(photo, scale)
    assert reduced.shape == (480 // scale, 640 // scale, 3)
    np.testing.assert_array_equal(decode(photo, least=canvas.least), reduced)
    np.testing.assert_array_equal(load_canvas(photo, canvas), whole_canvas(canvas).cut(reduced))


def test_a_draft_looks_like_the_whole(photo):
    whole, draft = (load_canvas(photo, Canvas(48, draft=draft)) for draft in (False, True))
    assert np.abs(whole.astype(int) - draft).max() <= 8


def test_a_turned_photograph_is_reduced_as_it_stands(photo, tmp_path):
    turned = tmp_path / "turned.jpg"
    with Image.open(photo) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(turned, exif=exif, quality=95)
    canvas = Canvas(80, "letterbox", True)
    assert decode(turned, least=canvas.least).shape == (80, 60, 3)


def test_other_formats_are_decoded_in_full(photo, tmp_path):
    Image.open(photo).save(tmp_path / "photo.png")
    assert decode(tmp_path / "photo.png", least=Canvas(48).least).shape == (480, 640, 3)


def test_cuts_of_a_draft_and_of_the_whole_stand_side_by_side(photo):
    draft, crop = whole_canvas(Canvas(48, draft=True)), Crop(Canvas(48), (0, 0, 16, 16), 24)
    found = load_crops(photo, [draft, crop])
    np.testing.assert_array_equal(found[draft], load_canvas(photo, draft.canvas))
    np.testing.assert_array_equal(found[crop], crop.cut(decode(photo)))
