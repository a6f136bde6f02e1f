"""Canvases of JPEG files in a batch, with the CPU in the place of a GPU."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from a2pipe.errors import BadImageError
from a2pipe.models import nvjpeg
from a2pipe.stages.device_canvas import Jpeg, device_canvases
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.jpeg_header import size_for_gpu
from a2pipe.stages.pixels import load_canvas

pytestmark = pytest.mark.filterwarnings("ignore:The image decoding and encoding")
CPU = torch.device("cpu")
SIZES = [(90, 60), (60, 91), (48, 48), (90, 60), (200, 33), (7, 5)]
GEOMETRIES = ("squash", "center-crop", "letterbox")


def encoded(size, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(size).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def jpeg(size, seed=0):
    data = encoded(size, seed)
    assert size_for_gpu(data) == size
    return Jpeg(data, size)


JPEGS = [jpeg(size, seed) for seed, size in enumerate(SIZES)]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("side", [32, 80])
def test_canvases_are_those_of_pillow_but_for_rounding(geometry, side, tmp_path):
    canvas = Canvas(side, geometry, decoder="nvjpeg")
    found, bad = device_canvases(JPEGS, [canvas], CPU)
    assert bad == {}
    for square, file in zip(found[canvas], JPEGS, strict=True):
        (tmp_path / "image.jpg").write_bytes(file.data)
        expected = load_canvas(str(tmp_path / "image.jpg"), Canvas(side, geometry))
        # Pillow and torchvision have a libjpeg-turbo each; a level comes of decoding, one of each
        # pass of resizing.
        assert np.abs(square.numpy().astype(int) - expected).max() <= 2


def test_one_decoding_serves_several_canvases(monkeypatch):
    calls, real = [], nvjpeg.decode_jpegs
    monkeypatch.setattr(
        nvjpeg, "decode_jpegs", lambda *given: calls.append(len(given[0])) or real(*given)
    )
    canvases = [Canvas(32, decoder="nvjpeg"), Canvas(48, "letterbox", decoder="nvjpeg")]
    both, _ = device_canvases(JPEGS, canvases, CPU)
    assert calls == [len(JPEGS)]
    for canvas in canvases:
        assert both[canvas].equal(device_canvases(JPEGS, [canvas], CPU)[0][canvas])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_neighbours_and_room_change_no_bit(geometry):
    canvas = Canvas(32, geometry, decoder="nvjpeg")
    together = device_canvases(JPEGS, [canvas], CPU)[0][canvas]
    portioned = device_canvases(JPEGS[::-1], [canvas], CPU, room=3 * 90 * 61)[0][canvas]
    assert together.equal(portioned.flip(0))
    for square, file in zip(together, JPEGS, strict=True):
        assert square.equal(device_canvases([file], [canvas], CPU)[0][canvas][0])


def test_little_is_decoded_at_once(monkeypatch):
    calls, real = [], nvjpeg.decode_jpegs
    monkeypatch.setattr(
        nvjpeg, "decode_jpegs", lambda *given: calls.append(len(given[0])) or real(*given)
    )
    device_canvases(JPEGS, [Canvas(8)], CPU, room=3 * (90 * 60 + 60 * 91))
    assert calls == [2, 2, 2]


def test_a_bad_image_stands_under_its_place_and_is_black():
    canvas, broken = Canvas(32), Jpeg(JPEGS[0].data[:70], (90, 60))
    found, bad = device_canvases([JPEGS[0], broken, JPEGS[1]], [canvas], CPU, room=1)
    assert list(bad) == [1]
    assert isinstance(bad[1], BadImageError)
    assert not found[canvas][1].any()
    assert found[canvas][0].equal(device_canvases(JPEGS[:1], [canvas], CPU)[0][canvas][0])


def test_bad_images_alone_are_no_error():
    _, bad = device_canvases([Jpeg(b"\xff\xd8", (9, 9))], [Canvas(8)], CPU)
    assert list(bad) == [0]
