"""A map finds one box an image, in pixels of the original, and a foreground on the canvas."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from a2pipe.datasets.collection import NO_BOXES
from a2pipe.errors import UsageError
from a2pipe.stages.discovery import (
    Scene,
    discovered_boxes,
    discovery_values,
    find_scenes,
    mask_on_canvas,
)
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.specs import AttentionSpec, DiscoverSpec, MapSpec, ModelSpec

MODEL = ModelSpec("{}", "00" * 16, (0, 0, 0), (1, 1, 1), name="tiny")
MAP = np.array([[0, 0, 0, 0], [0, 6, 5, 0], [0, 4, 0, 0], [0, 0, 0, 5.5]])
"""Its peak is connected with two more cells, and touches the corner of no other."""


def spec(geometry: str = "squash", truth: str = "boxes", threshold: str = "mean+std"):
    """A map of a model with 4 x 4 patches of 12 px."""
    source = AttentionSpec(MODEL, 48, 12, geometry)
    return DiscoverSpec(MapSpec(source), threshold, truth, "cd" * 16)


def rows(*maps: np.ndarray) -> np.ndarray:
    """Attention of one head and a CLS token, which gives these maps."""
    patches = np.stack([each.ravel() for each in maps])
    return np.insert(patches, 0, 1, axis=1)[:, None].astype(np.float32)


def scene(size=(96, 48), boxes=NO_BOXES, mask="") -> Scene:
    return Scene("ab", 0, size, np.asarray(boxes, float), mask)


@pytest.mark.parametrize(
    ("geometry", "size", "expected"),
    [
        ("squash", (96, 48), [24, 12, 72, 36]),
        # The middle 48 px of 96 stand on the canvas one to one.
        ("center-crop", (96, 48), [24 + 12, 12, 24 + 36, 36]),
        # 96 x 48 becomes 48 x 24 in the rows 12 to 36, so each patch is 24 px.
        ("letterbox", (96, 48), [24, 0, 72, 48]),
    ],
)
def test_the_box_is_in_pixels_of_the_original(geometry, size, expected):
    found = discovered_boxes(spec(geometry), rows(MAP), 1, [size])
    assert found.tolist() == [expected]


def test_padding_belongs_to_no_box():
    above = np.zeros((4, 4))
    above[0, 1], above[1, 1] = 9, 8  # the first row of patches is padding
    found = discovered_boxes(spec("letterbox"), rows(above), 1, [(96, 48)])
    assert found.tolist() == [[24, 0, 48, 24]]


def test_a_map_that_is_not_finite_finds_nothing():
    found = discovered_boxes(spec(), rows(MAP, np.full((4, 4), np.nan)), 1, [(96, 48)] * 2)
    assert found.tolist() == [[24, 12, 72, 36], [0, 0, 0, 0]]


def test_values_say_whether_the_object_was_found():
    scenes = [
        scene(boxes=[[24, 12, 72, 36]]),
        scene(boxes=[[24, 12, 72, 24.1]]),
        scene(boxes=[[0, 0, 10, 10], [30, 12, 80, 36]]),
        scene(boxes=[[0, 0, 10, 10]]),
    ]
    found = discovery_values(spec(), rows(*[MAP] * 4), 1, scenes)
    assert found.tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("geometry", ["squash", "center-crop", "letterbox"])
def test_a_foreground_is_compared_pixel_by_pixel(geometry, tmp_path):
    width, height = 90, 50
    mask = np.random.default_rng(0).choice([0, 0, 7, 255], (height, width)).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / "m.png")
    foreground = np.array(
        [[(y, x) in ((1, 1), (1, 2), (2, 1), (3, 3)) for x in range(4)] for y in range(4)]
    )
    found = discovery_values(
        spec(geometry, "digest"),
        rows(MAP),
        1,
        [scene((width, height), mask=str(tmp_path / "m.png"))],
    )
    frame = Canvas(48, geometry).frame(width, height)
    x0, y0, x1, y1 = frame.shown
    left, top, right, bottom = frame.filled
    shared = union = 0
    for j in range(top, bottom):
        for i in range(left, right):
            x = x0 + (i + 0.5 - left) * (x1 - x0) / (right - left)
            y = y0 + (j + 0.5 - top) * (y1 - y0) / (bottom - top)
            value = mask[int(y), int(x)]
            if value != 255:
                shared += bool(value and foreground[j // 12, i // 12])
                union += bool(value or foreground[j // 12, i // 12])
    assert found.tolist() == [shared / union]


def test_padding_does_not_count_on_a_mask():
    shown = mask_on_canvas(np.full((4, 8), 3, np.uint8), Canvas(8, "letterbox").frame(8, 4), 8)
    assert shown[:2].tolist() == shown[6:].tolist() == [[255] * 8] * 2
    assert (shown[2:6] == 3).all()


def test_the_mask_of_a_map_that_is_not_finite_is_not_compared(tmp_path):
    Image.fromarray(np.ones((48, 96), np.uint8)).save(tmp_path / "m.png")
    masked = scene(mask=str(tmp_path / "m.png"))
    found = discovery_values(spec(truth="d"), rows(np.full((4, 4), np.nan)), 1, [masked])
    assert np.isnan(found).all()


class Samples(SimpleNamespace):
    """What is read of a collection."""

    def __len__(self):
        return len(self.splits)


def test_samples_that_share_an_image_share_their_boxes_and_mask():
    collection = Samples(
        name="birds",
        splits=np.array(["test", "train", "test", "test"]),
        digests=("a", "b", "a", ""),
        sizes=np.array([[9, 5]] * 4),
        boxes=(np.array([[0.0, 0, 1, 1]]), NO_BOXES, np.array([[2.0, 2, 3, 3]]), NO_BOXES),
        masks=("", "", "a.png", ""),
    )
    (found,) = find_scenes(collection, "test")
    assert (found.image, found.sample, found.size, found.mask) == ("a", 0, (9, 5), "a.png")
    assert found.boxes.tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]
    assert [each.image for each in find_scenes(collection, "all")] == ["a", "b"]
    with pytest.raises(UsageError, match="no val images"):
        find_scenes(collection, "val")
