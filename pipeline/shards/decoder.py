"""Decode images into shared memory, as worker processes do; nothing heavy is imported here."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import BadImageError
from ...shared_memory import Segment
from ...stages.crops import Crop
from ...stages.pixels import load_crops


@dataclass(frozen=True)
class Decode:
    """A Decode is one image to decode.

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


def decode_into(segment: Segment, images: Sequence[Decode]) -> list[str]:
    """Decode images one after the other, and write their crops to their places in the segment.

    Returns for each image why it is bad, or an empty string. Raises as `load_crops`.
    """
    return [_decode_into(segment, image) for image in images]


def _decode_into(segment: Segment, image: Decode) -> str:
    wanted = dict.fromkeys(crop for crop, _ in image.places)
    try:
        crops = load_crops(image.path, wanted, image.digest, image.content)
    except BadImageError as error:
        return str(error)
    for crop, start in image.places:
        pixels = crops[crop]
        segment.array[start : start + pixels.nbytes] = pixels.reshape(-1)
    return ""
