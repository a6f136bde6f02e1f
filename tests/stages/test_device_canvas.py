"""Canvases of JPEG files in a batch, with the CPU in the place of a GPU."""

import contextlib
import io

import numpy as np
import pytest
import torch
import torchvision.io
from PIL import Image

from a2pipe.errors import A2pipeError, BadImageError
from a2pipe.stages import device_canvas, device_resize, nvjpeg
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


def test_a_device_without_memory_is_told_in_a_sentence(monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(device_resize, "resize_parts", fail)
    with pytest.raises(A2pipeError, match=r"^cpu has no memory left .*: lower --batch-size\.$"):
        device_canvases(JPEGS, [Canvas(8)], CPU)


# --- streams, with a CUDA that only notes what it is told -----------------------------------------


class FakeCuda:
    """What `torch.cuda` is told, in order; the current stream is the last one entered."""

    def __init__(self):
        self.told, self._current = [], ["models"]

    def current_stream(self, _):
        return FakeStream(self, self._current[-1])

    def Stream(self, _):  # noqa: N802
        return FakeStream(self, "canvases")

    @contextlib.contextmanager
    def stream(self, stream):
        self._current.append(stream.name)
        yield
        self._current.pop()

    def device(self, _):
        return contextlib.nullcontext()


class FakeStream:
    def __init__(self, cuda, name):
        self.cuda, self.name = cuda, name

    def synchronize(self):
        self.cuda.told.append(f"wait for {self.name}")


@pytest.fixture
def cuda(monkeypatch):
    fake = FakeCuda()
    monkeypatch.setattr(torch, "cuda", fake)
    device_canvas._stream.cache_clear()
    yield fake
    device_canvas._stream.cache_clear()


def test_canvases_are_made_on_a_stream_of_their_own_which_is_waited_for(cuda):
    device = torch.device("cuda:0")
    for _ in range(2):
        with device_canvas._beside(device) as reader:
            assert reader.name == "models"
            assert cuda.current_stream(device).name == "canvases"
            cuda.told.append("work")
        assert cuda.current_stream(device).name == "models"
    assert cuda.told == ["work", "wait for canvases"] * 2


def test_what_is_queued_is_waited_for_before_the_decoder_writes(cuda, monkeypatch):
    device = torch.device("cuda:0")
    monkeypatch.setattr(
        torchvision.io, "decode_jpeg", lambda *_, **__: cuda.told.append("decode") or []
    )
    with device_canvas._beside(device):
        nvjpeg.decode_jpegs([JPEGS[0].data], device)
    assert cuda.told == ["wait for canvases", "decode", "wait for canvases"]
