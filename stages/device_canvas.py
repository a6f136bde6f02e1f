"""Make canvases of JPEG files on a device: decoded in one call, resized in a few."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ..errors import BadImageError
from .crops import PADDING
from .geometry import Canvas

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ROOM_DECODED = 512 << 20
"""So many bytes of pixels are decoded at once; one image that has more is decoded alone."""


@dataclass(frozen=True)
class Jpeg:
    """A Jpeg is a file that the device decodes, as `jpeg_header.size_for_gpu` says.

    data: its bytes. size: width and height in pixels.
    """

    data: bytes | bytearray | memoryview
    size: tuple[int, int]


def device_canvases(
    jpegs: Sequence[Jpeg],
    canvases: Sequence[Canvas],
    device: torch.device,
    room: int = ROOM_DECODED,
) -> tuple[dict[Canvas, Tensor], dict[int, BadImageError]]:
    """Return the images on each canvas: uint8 (n, side, side, 3) on the device; and the bad ones.

    A bad image is one that the device's decoder refuses; it is black, and stands with the reason
    under its place among `jpegs`. room: about how many bytes of decoded pixels are held at once.

    The tensors are complete on return. The calling thread's current stream may read them; it is
    not waited for. Raises A2pipeError where the device is at fault, not an image.
    """
    import torch

    from .nvjpeg import no_memory

    bad: dict[int, BadImageError] = {}
    try:
        with _beside(device) as reader:
            found = {
                each: torch.zeros(
                    (len(jpegs), each.side, each.side, 3), dtype=torch.uint8, device=device
                )
                for each in canvases
            }
            for start, stop in _portions(jpegs, room):
                bad |= _fill(found, jpegs[start:stop], start, device)
            if reader is not None:
                for squares in found.values():
                    squares.record_stream(reader)
    except torch.OutOfMemoryError as error:
        raise no_memory(device) from error
    return found, bad


def _portions(jpegs: Sequence[Jpeg], room: int) -> Iterator[tuple[int, int]]:
    """Yield runs of files, from and to, that are decoded at once."""
    start = taken = 0
    for index, jpeg in enumerate(jpegs):
        width, height = jpeg.size
        if index > start and taken + 3 * width * height > room:
            yield start, index
            start, taken = index, 0
        taken += 3 * width * height
    if jpegs:
        yield start, len(jpegs)


def _fill(
    found: dict[Canvas, Tensor], jpegs: Sequence[Jpeg], start: int, device: torch.device
) -> dict[int, BadImageError]:
    """Decode files and put them on every canvas, from a place on; return the bad ones by place."""
    import torch

    from .device_resize import Part, resize_parts
    from .nvjpeg import decode_jpegs

    decoded = list(enumerate(decode_jpegs([jpeg.data for jpeg in jpegs], device), start))
    images = {place: image for place, image in decoded if not isinstance(image, BadImageError)}
    if images:
        places = torch.tensor(list(images), device=device)
        for canvas, squares in found.items():
            # The size is that of the decoded image; the file's header may have erred.
            frames = [canvas.frame(image.shape[2], image.shape[1]) for image in images.values()]
            parts = [Part(frame.shown, frame.filled) for frame in frames]
            squares[places] = resize_parts(list(images.values()), parts, canvas.side, PADDING)
    return {place: error for place, error in decoded if isinstance(error, BadImageError)}


@contextlib.contextmanager
def _beside(device: torch.device) -> Iterator[torch.cuda.Stream | None]:
    """Work on a stream kept for this, and wait for it at the end; yield the caller's stream.

    On a device without streams nothing is done, and None is yielded.
    """
    import torch

    if device.type != "cuda":
        yield None
        return
    reader, stream = torch.cuda.current_stream(device), _stream(device)
    with torch.cuda.device(device), torch.cuda.stream(stream):
        yield reader
        # The caller need not wait on the device for what is complete; models run meanwhile on
        # other streams, and are not waited for.
        stream.synchronize()


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    import torch

    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
