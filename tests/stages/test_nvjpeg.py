"""Decoding a batch of JPEG files, with libjpeg-turbo in the place of a GPU."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision.io
from PIL import Image

from a2pipe.errors import A2pipeError, BadImageError
from a2pipe.stages import nvjpeg
from a2pipe.stages.nvjpeg import decode_jpegs, require_decoder, require_nvjpeg

pytestmark = pytest.mark.filterwarnings("ignore:The image decoding and encoding")
CPU = torch.device("cpu")


def encoded(width: int = 40, height: int = 30, mode: str = "RGB", **options: object) -> bytes:
    noise = np.random.default_rng(width).integers(0, 256, (4, 5, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((width, height)).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def by_pillow(data: bytes) -> torch.Tensor:
    pixels = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def test_images_of_a_batch_come_in_their_order_as_rgb():
    files = [encoded(), encoded(17, 50, progressive=True), encoded(8, 8, "L")]
    for pixels, data in zip(decode_jpegs(files, CPU), files, strict=True):
        assert pixels.dtype == torch.uint8
        assert (pixels.int() - by_pillow(data).int()).abs().max() <= 1


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read_and_none_is_changed(kind):
    data = encoded()
    buffer = kind(data)
    assert decode_jpegs([buffer], CPU)[0].equal(decode_jpegs([data], CPU)[0])
    assert bytes(buffer) == data


def test_no_files_are_no_call(monkeypatch):
    monkeypatch.setattr(torchvision.io, "decode_jpeg", None)
    assert decode_jpegs([], CPU) == []


def test_a_batch_is_one_call(monkeypatch):
    calls = count_calls(monkeypatch)
    decode_jpegs([encoded()] * 5, CPU)
    assert calls == [5]


def test_a_refused_image_is_the_bad_one_and_the_others_are_decoded():
    bad = encoded()[:60]
    first, second, third = decode_jpegs([encoded(), bad, encoded(9, 9)], CPU)
    assert isinstance(second, BadImageError)
    assert str(second).startswith("the GPU's decoder refuses it: ")
    assert (first.shape, third.shape) == ((3, 30, 40), (3, 9, 9))


def test_what_nvjpeg_says_of_an_image_is_the_reason(monkeypatch):
    said = "Error while decoding JPEG images: Failed to decode jpeg stream: 3"
    say(monkeypatch, said, at=len(encoded()))
    found, good = decode_jpegs([encoded(), encoded(9, 9)], CPU)
    assert str(found) == f"the GPU's decoder refuses it: {said}"
    assert good.shape == (3, 9, 9)


def test_a_gpu_that_has_failed_condemns_no_image(monkeypatch):
    say(monkeypatch, "CUDA error: an illegal memory access was encountered")
    with pytest.raises(A2pipeError, match="an illegal memory access") as caught:
        decode_jpegs([encoded()] * 2, CPU)
    assert not isinstance(caught.value, BadImageError)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("CUDA out of memory", torch.OutOfMemoryError),
        ("Error while decoding JPEG images: Failed to decode batch: 5", RuntimeError),
    ],
)
def test_a_gpu_without_memory_condemns_no_image(monkeypatch, said, kind):
    say(monkeypatch, said, kind, at=len(encoded()))
    with pytest.raises(A2pipeError, match=r"^cpu has no memory left .*: lower --batch-size\.$"):
        decode_jpegs([encoded()], CPU)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cpu", "auto"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_cuda_it_is_refused(name):
    with pytest.raises(A2pipeError, match=r"^nvJPEG decodes on CUDA devices, and this run is on"):
        require_nvjpeg(name)


def test_the_device_of_a_gpu_has_its_number(monkeypatch):
    monkeypatch.setattr(nvjpeg, "choose_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    asked = []
    monkeypatch.setattr(nvjpeg, "require_decoder", asked.append)
    assert require_nvjpeg("cuda") == torch.device("cuda:1")
    assert asked == [torch.device("cuda:1")]


def test_a_torchvision_that_decodes_is_accepted():
    require_decoder(CPU)


def test_a_torchvision_without_nvjpeg_is_refused(monkeypatch):
    say(monkeypatch, "decode_jpegs_cuda: torchvision not compiled with nvJPEG support")
    with pytest.raises(
        A2pipeError, match=r"not compiled with nvJPEG support.*install a torchvision"
    ):
        require_decoder(CPU)


def test_a_torchvision_without_decoders_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.io", SimpleNamespace())
    with pytest.raises(A2pipeError, match=r"^torchvision cannot decode JPEG files on cpu"):
        require_decoder(CPU)


# --- help ----------------------------------------------------------------------------------------


def count_calls(monkeypatch) -> list[int]:
    """How many files each call of torchvision is given from now on."""
    calls, real = [], torchvision.io.decode_jpeg

    def counted(files, **options):
        calls.append(len(files))
        return real(files, **options)

    monkeypatch.setattr(torchvision.io, "decode_jpeg", counted)
    return calls


def say(
    monkeypatch, sentence: str, kind: type[RuntimeError] = RuntimeError, at: int | None = None
) -> None:
    """Have torchvision raise an error, where `at` is given only for files of so many bytes."""
    real = torchvision.io.decode_jpeg

    def fail(files, **options):
        if at is None or at in map(len, files):
            raise kind(sentence)
        return real(files, **options)

    monkeypatch.setattr(torchvision.io, "decode_jpeg", fail)
