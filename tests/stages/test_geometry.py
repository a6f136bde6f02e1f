"""How boxes map between an image and its canvas, under every geometry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.stages.geometry import Canvas

GEOMETRIES = ["squash", "center-crop", "letterbox"]
lengths = st.integers(1, 5000)


def to_canvas(geometry, width, height, *boxes, side=100):
    return Canvas(side, geometry).frame(width, height).to_canvas(np.array(boxes)).tolist()


def test_squash_scales_each_axis_by_itself():
    frame = Canvas(224).frame(200, 100)
    assert np.allclose(frame.to_canvas(np.array([[10, 20, 100, 50]])), [[11.2, 44.8, 112, 112]])
    assert frame.to_canvas(np.zeros((0, 4))).shape == (0, 4)


@given(lengths, lengths, st.integers(1, 600), st.data())
def test_squash_is_one_product_an_edge_to_the_last_bit(width, height, side, data):
    x0, y0 = (data.draw(st.integers(0, length - 1)) for length in (width, height))
    box = [x0, y0, data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))]
    (mapped,) = Canvas(side).frame(width, height).to_canvas(np.array([box])).tolist()
    assert mapped == [
        min(edge * (side / length), side)
        for edge, length in zip(box, (width, height) * 2, strict=True)
    ]


def test_center_crop_shows_the_central_square():
    assert to_canvas("center-crop", 300, 100, [100, 0, 200, 100]) == [[0, 0, 100, 100]]
    assert to_canvas("center-crop", 100, 400, [0, 200, 50, 225]) == [[0, 50, 50, 75]]
    assert to_canvas("center-crop", 201, 100, [50.5, 0, 150.5, 50]) == [[0, 0, 100, 50]]


def test_center_crop_clips_boxes_and_drops_those_outside():
    boxes = [[0, 0, 110, 10], [0, 0, 100, 10], [200, 20, 300, 40], [190, 20, 300, 40]]
    assert to_canvas("center-crop", 300, 100, *boxes) == [[0, 0, 10, 10], [90, 20, 100, 40]]


def test_letterbox_keeps_the_aspect_ratio_and_centres():
    assert Canvas(100, "letterbox").frame(200, 100).filled == (0, 25, 100, 75)
    assert Canvas(100, "letterbox").frame(100, 200).filled == (25, 0, 75, 100)
    assert to_canvas("letterbox", 200, 100, [0, 0, 200, 100]) == [[0, 25, 100, 75]]
    assert to_canvas("letterbox", 200, 100, [100, 50, 150, 100]) == [[50, 50, 75, 75]]


def test_letterbox_puts_an_odd_rest_right_and_below():
    assert Canvas(10, "letterbox").frame(3, 10).filled == (3, 0, 6, 10)


@pytest.mark.parametrize(("width", "height"), [(1, 1000), (1000, 1), (1, 1), (3, 5000)])
def test_thin_images_keep_a_pixel(width, height):
    x0, y0, x1, y1 = Canvas(32, "letterbox").frame(width, height).filled
    assert 0 <= x0 < x1 <= 32
    assert 0 <= y0 < y1 <= 32
    assert max(x1 - x0, y1 - y0) == 32


@pytest.mark.parametrize("geometry", ["squash", "letterbox"])
def test_boxes_that_reach_beyond_the_image_end_with_it(geometry):
    ((x0, y0, x1, y1),) = to_canvas(geometry, 200, 100, [-50, -50, 500, 500])
    assert (x0, y0, x1, y1) == Canvas(100, geometry).frame(200, 100).filled


@pytest.mark.parametrize("geometry", GEOMETRIES)
@given(lengths, lengths, st.integers(1, 600), st.data())
def test_what_a_box_shows_maps_back_to_it(geometry, width, height, side, data):
    frame = Canvas(side, geometry).frame(width, height)
    left, top, right, bottom = frame.filled
    x0 = data.draw(st.integers(left, right - 1))
    y0 = data.draw(st.integers(top, bottom - 1))
    box = (x0, y0, data.draw(st.integers(x0 + 1, right)), data.draw(st.integers(y0 + 1, bottom)))
    shown = frame.to_original(box)
    assert 0 <= shown[0] < shown[2] <= width
    assert 0 <= shown[1] < shown[3] <= height
    np.testing.assert_allclose(frame.to_canvas(np.array([shown])), [box], atol=1e-9 * side)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@given(lengths, lengths, st.integers(1, 600))
def test_the_filled_canvas_shows_exactly_what_is_shown(geometry, width, height, side):
    frame = Canvas(side, geometry).frame(width, height)
    assert frame.to_original(frame.filled) == frame.shown


def test_only_what_is_not_squashed_has_a_suffix():
    assert [Canvas(8, geometry).suffix for geometry in GEOMETRIES] == [
        "", ", centre-cropped", ", letterboxed",
    ]  # fmt: skip


def test_another_geometry_is_refused():
    with pytest.raises(ValueError, match="no geometry 'fisheye'"):
        Canvas(8, "fisheye").frame(2, 2)
