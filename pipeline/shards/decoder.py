"""Decode images into shared memory, as worker processes do; nothing heavy is imported here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...errors import BadImageError
from ...shared_memory import Segment
from ...stages.crops import Crop
from ...stages.jpeg_header import size_for_gpu
from ...stages.pixels import load_crops, read_file


class Decode(NamedTuple):
    """A Decode is one image to decode. It is sent to a worker, and so it is a tuple.

    path: of the file, or a locator in an archive. digest: of its bytes when it was indexed.
    places: what to cut from it, each with the first byte of its pixels in the segment.
    pixels: how many the original has, 0 where unknown. content: the bytes of the file, where they
    are of a remote archive.
    """

    path: str
    digest: str | None
    places: tuple[tuple[Crop, int], ...]
    pixels: int = 0
    content: bytes | None = None

    @property
    def for_gpu(self) -> bool:
        """Return whether a GPU is to decode the file, if it can."""
        return all(crop.canvas.decoder == "nvjpeg" for crop, _ in self.places)

    @property
    def room(self) -> int:
        """Return the bytes that its largest crop takes."""
        return 3 * max(crop.size for crop, _ in self.places) ** 2


@dataclass(frozen=True)
class Encoded:
    """An Encoded is a JPEG file that is left to the GPU.

    size: width and height in pixels. start, nbytes: where its bytes lie in the segment, in the
    place of pixels. content: its bytes, where they have no room there.
    """

    size: tuple[int, int]
    start: int = 0
    nbytes: int = 0
    content: bytes | None = None


def decode_into(segment: Segment, images: Sequence[Decode]) -> list[str | Encoded]:
    """Decode images one after the other, and write their crops to their places in the segment.

    Returns for each image an empty string, or why it is bad, or the file itself where all crops
    are of canvases that a GPU decodes and it can read the file. Raises as `load_crops`.
    """
    return [_decode_into(segment, image) for image in images]


def _decode_into(segment: Segment, image: Decode) -> str | Encoded:
    wanted = dict.fromkeys(crop for crop, _ in image.places)
    content = image.content
    try:
        if image.for_gpu:
            content = read_file(image.path, image.digest, content)
            if size := size_for_gpu(content):
                return _encoded(segment, image, content, size)
        crops = load_crops(image.path, wanted, image.digest, content)
    except BadImageError as error:
        return str(error)
    for crop, start in image.places:
        pixels = crops[crop]
        segment.array[start : start + pixels.nbytes] = pixels.reshape(-1)
    return ""


def _encoded(segment: Segment, image: Decode, content: bytes, size: tuple[int, int]) -> Encoded:
    """Put a file where its largest crop would go, which most files fit into."""
    if len(content) > image.room:
        return Encoded(size, content=content)
    _, start = max(image.places, key=lambda place: place[0].size)
    segment.array[start : start + len(content)] = np.frombuffer(content, np.uint8)
    return Encoded(size, start, len(content))
