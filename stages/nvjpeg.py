"""Decode JPEG files on a CUDA device, by nvJPEG as torchvision has it.

torchvision 0.29 announces that this part of it moves to torchcodec. Its decoder writes from a
stream of its own into memory of the caller's stream (up to 0.29 at least), without waiting for what
is queued there; `decode_jpegs` says what is done about that. nvJPEG itself leaks memory before CUDA
11.6, which is older than any PyTorch that this package accepts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import torch
from PIL import Image

from ..errors import A2pipeError, BadImageError, first_line
from ..models.device import choose_device

if TYPE_CHECKING:
    from torch import Tensor

Buffer = bytes | bytearray | memoryview
_NO_MEMORY = re.compile(r": 5\s*$", re.MULTILINE)
"""So torchvision ends its message where nvJPEG could not allocate (nvjpegStatus_t 5)."""


def require_nvjpeg(name: str) -> torch.device:
    """Return the CUDA device of this name once it has decoded a small image.

    name: as in `--device`; "auto" takes CUDA if there is any.

    Raises A2pipeError, in one sentence, if the device is not CUDA, or torchvision has no nvJPEG.
    """
    device = choose_device(name)
    if device.type != "cuda":
        raise A2pipeError(
            f"nvJPEG decodes on CUDA devices, and this run is on {device}; "
            "leave out `--decode nvjpeg`, or compute where there is a GPU."
        )
    if device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    require_decoder(device)
    return device


def require_decoder(device: torch.device) -> None:
    """Raise A2pipeError, in one sentence, unless torchvision decodes JPEG files on this device."""
    tiny = BytesIO()
    Image.new("RGB", (16, 16)).save(tiny, "JPEG")
    try:
        _decode([tiny.getvalue()], device)
    except (RuntimeError, ImportError, AttributeError) as error:
        raise A2pipeError(
            f"torchvision cannot decode JPEG files on {device} ({first_line(error)}); "
            "leave out `--decode nvjpeg`, or install a torchvision with nvJPEG."
        ) from error


def decode_jpegs(buffers: Sequence[Buffer], device: torch.device) -> list[Tensor | BadImageError]:
    """Return the pixels of JPEG files on a device: uint8 RGB (3, H, W), or why an image is bad.

    buffers: the bytes of each file; grey images become RGB, EXIF orientation is not applied. On
    the CPU, which is there for tests, libjpeg-turbo decodes.

    Whatever the caller's current stream has been given is waited for; call this on a stream that
    nothing else is queued on. Raises A2pipeError where the device is at fault, not an image.
    """
    if not buffers:
        return []
    try:
        return list(_decode(buffers, device))
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY.search(str(error)):
            raise no_memory(device) from error
        if len(buffers) == 1:
            # A device that has failed decodes nothing any more, and no image is bad for that.
            require_decoder(device)
            return [BadImageError(f"the GPU's decoder refuses it: {first_line(error)}")]
    # torchvision returns nothing of a batch in which one image fails, and does not say which.
    return [decode_jpegs([buffer], device)[0] for buffer in buffers]


def _decode(buffers: Sequence[Buffer], device: torch.device) -> list[Tensor]:
    from torchvision.io import ImageReadMode, decode_jpeg

    # The hardware decoder writes as soon as it is called, into memory that this stream has freed
    # and whose last readers may still be queued on it.
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    files = [torch.frombuffer(_writable(buffer), dtype=torch.uint8) for buffer in buffers]
    decoded: list[Tensor] = decode_jpeg(files, mode=ImageReadMode.RGB, device=device)
    return decoded


def _writable(buffer: Buffer) -> Buffer:
    """Return the buffer, or a copy where it may only be read, of which PyTorch makes no tensor."""
    return bytearray(buffer) if memoryview(buffer).readonly else buffer


def no_memory(device: torch.device) -> A2pipeError:
    """Return the error to raise where a device has no memory left to decode."""
    return A2pipeError(f"{device} has no memory left to decode images: lower --batch-size.")
