"""What a decoding thread is given and gives back: one image, and the squares to cut from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...errors import BadImageError
from ...stages.cuts import Cut, canvas_cut, load_cuts
from ...stages.geometry import Canvas
from .batch import Batch, Decoded, crops_wanted
from .prefetch import Room
from .shard import Shard

ROOM_ORIGINALS = 1 << 30
"""Bytes of originals that decoding threads may hold together; one larger is decoded alone."""
BYTES_A_PIXEL = 7
"""Of an original: four in Pillow, three in the array made of it."""


@dataclass(frozen=True)
class Decode:
    """One image to decode and what to cut from it; pixels: of the original, 0 where unknown."""

    path: str
    digest: str
    cuts: tuple[Cut, ...]
    pixels: int = 0

    @property
    def nbytes(self) -> int:
        """Of its cuts, which is what stays of it in memory."""
        return sum(3 * cut.size**2 for cut in self.cuts)


Job = Decode | BadImageError | None
"""None where no pixels are needed; an image that is known to be bad is not decoded again."""


def weight(job: Job) -> int:
    """Bytes that the result of a job takes."""
    return job.nbytes if isinstance(job, Decode) else 0


def decoding(
    shard: Shard,
    row: int,
    canvases: Sequence[Canvas],
    path_of: Mapping[str, str],
    pixels: int,
) -> Job:
    """What to decode of one image: nothing where its canvases are stored."""
    lacking, image = shard.lacking(row, canvases), shard.images[row]
    if isinstance(lacking, str):
        return BadImageError(lacking)
    cuts = tuple(map(canvas_cut, lacking))
    return Decode(path_of[image], image, cuts, pixels) if cuts else None


def decode(room: Room, job: Job) -> Decoded:
    """Do a job, as soon as there is room for the original; what needs no decoding is passed on."""
    if not isinstance(job, Decode):
        return job
    try:
        with room.taking(BYTES_A_PIXEL * job.pixels):
            return load_cuts(job.path, job.cuts, job.digest)
    except BadImageError as error:
        return error


def cutting(batch: Batch, path_of: Mapping[str, str], pixels: Sequence[int]) -> Iterator[Job]:
    """What to cut from the original of each row, once its boxes are placed; pixels: of each row's
    original, 0 where unknown."""
    wanted = zip(batch.rows, batch.decoded, crops_wanted(batch), pixels, strict=True)
    for row, known, cuts, size in wanted:
        image = batch.shard.images[row]
        if not cuts:
            yield None
        elif isinstance(known, BadImageError):
            yield known
        else:
            yield Decode(path_of[image], image, cuts, size)
