"""List what a batch needs decoded of each image, and decode one image, as each thread does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...errors import BadImageError
from ...stages.crops import Crop, whole_canvas
from ...stages.pixels import load_crops
from .batch import Batch, Decoded, crops_wanted
from .prefetch import Room

ROOM_ORIGINALS = 1 << 30
"""Decoding threads may hold so many bytes of originals together; one larger is decoded alone."""
BYTES_A_PIXEL = 7
"""A pixel of an original takes four bytes in Pillow and three in the array made of it."""


@dataclass(frozen=True)
class Decode:
    """A Decode is one image to decode.

    path: of the file, or a locator in an archive. digest: of its bytes when it was indexed.
    crops: what to cut from it. pixels: how many the original has, 0 where unknown.
    """

    path: str
    digest: str
    crops: tuple[Crop, ...]
    pixels: int = 0

    @property
    def nbytes(self) -> int:
        """Return the bytes of its crops, which are what stays of it in memory."""
        return sum(3 * crop.size**2 for crop in self.crops)


Job = Decode | BadImageError | None
"""A job is an image to decode; or why it is bad, if that is known already; or None if no pixels of
it are needed."""


def weight(job: Job) -> int:
    """Return the bytes that the result of a job takes."""
    return job.nbytes if isinstance(job, Decode) else 0


def canvas_jobs(batch: Batch, path_of: Mapping[str, str]) -> Iterator[Job]:
    """Yield for each row the canvases to decode, without those that are stored.

    path_of: the path of each image, by its digest.
    """
    wanted = batch.shard.to_decode(batch.rows)
    for row, canvases, pixels in zip(batch.rows, wanted, batch.originals, strict=True):
        image = batch.shard.images[row]
        if isinstance(canvases, str):
            yield BadImageError(canvases)
        elif canvases:
            yield Decode(path_of[image], image, tuple(map(whole_canvas, canvases)), pixels)
        else:
            yield None


def original_jobs(batch: Batch, path_of: Mapping[str, str]) -> Iterator[Job]:
    """Yield for each row the crops to cut from its original; its boxes have to be placed.

    path_of: the path of each image, by its digest.
    """
    wanted = zip(batch.rows, batch.decoded, crops_wanted(batch), batch.originals, strict=True)
    for row, known, crops, pixels in wanted:
        image = batch.shard.images[row]
        if not crops:
            yield None
        elif isinstance(known, BadImageError):
            yield known
        else:
            yield Decode(path_of[image], image, crops, pixels)


def decode(room: Room, job: Job) -> Decoded:
    """Do a job as soon as there is room for the original; what needs no decoding is passed on."""
    if not isinstance(job, Decode):
        return job
    try:
        # Few threads may hold very large originals at once; what stays of each are its crops.
        with room.taking(BYTES_A_PIXEL * job.pixels):
            return load_crops(job.path, job.crops, job.digest)
    except BadImageError as error:
        return error
