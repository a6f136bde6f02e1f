"""How boxes map between an image and its canvas, under every geometry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.stages.geometry import Canvas

GEOMETRIES = ["squash", "center-crop", "letterbox"]
RESIZED = ["short-256", "open-clip"]
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


@pytest.mark.parametrize("geometry", GEOMETRIES + RESIZED)
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


@given(lengths, lengths, st.data())
def test_short_256_maps_edges_with_the_integers_of_the_released_evaluation(width, height, data):
    edges = [data.draw(st.integers(-50, length + 50)) for length in (width, height) * 2]
    x0, y0, x1, y1 = edges
    f = 256 / min(width, height)
    left, top = (int(width * f) - 224) // 2, (int(height * f) - 224) // 2
    expected = [
        min(max(edge * f - cut, 0), 224)
        for edge, cut in zip((x0, y0, x1, y1), (left, top) * 2, strict=True)
    ]
    found = Canvas(224, "short-256").frame(width, height).clipped(np.array([edges]))
    assert found.tolist() == [expected]


@given(lengths, lengths, st.integers(1, 600))
def test_open_clip_maps_edges_to_where_the_pixels_are(width, height, side):
    f, frame = side / min(width, height), Canvas(side, "open-clip").frame(width, height)
    longer = max(int(side * length / min(width, height)) for length in (width, height))
    cut = round((longer - side) / 2)
    left, top = (cut, 0) if width > height else (0, cut)
    found = frame.clipped(np.array([[width / 2, height / 2, width, height]]))[0]
    expected = [width / 2 * f - left, height / 2 * f - top, width * f - left, height * f - top]
    assert found.tolist() == np.clip(expected, 0, side).tolist()


def test_the_shorter_side_before_the_cut_is_in_proportion_to_the_canvas():
    sides = {side: Canvas(side, "short-256").resized_cut(999, 500).size for side in (112, 224, 384)}
    assert {side: size[1] for side, size in sides.items()} == {112: 128, 224: 256, 384: 439}
    assert Canvas(224, "open-clip").resized_cut(999, 500).size == (447, 224)
    assert Canvas(224).resized_cut(999, 500) is None


def test_a_box_that_is_cut_away_stays_on_the_edge_where_it_is_asked_for():
    frame, boxes = Canvas(100, "center-crop").frame(300, 100), np.array([[0, 10, 50, 20]])
    assert frame.clipped(boxes).tolist() == [[0, 10, 0, 20]]
    assert frame.to_canvas(boxes).shape == (0, 4)
    assert frame.clipped(np.zeros((0, 4))).shape == (0, 4)


def test_only_what_is_not_squashed_has_a_suffix():
    assert [Canvas(8, geometry).suffix for geometry in GEOMETRIES + RESIZED] == [
        "",
        ", centre-cropped",
        ", letterboxed",
        ", short side 256 of 224 and centre-cropped",
        ", bicubic and centre-cropped",
    ]


def test_another_geometry_is_refused():
    with pytest.raises(ValueError, match="no geometry 'fisheye'"):
        Canvas(8, "fisheye").frame(2, 2)
