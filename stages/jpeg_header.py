"""Read from the bytes of a file whether a GPU decodes it where `Canvas.decoder` is "nvjpeg".

The bytes alone decide, never a decoder that failed: a row is then a function of its image, whatever
the machine. What is in doubt goes to Pillow, which decodes every JPEG file and names the reason
where it cannot. The markers are those of ITU-T T.81, Annex B.
"""

import re
from dataclasses import dataclass
from io import BytesIO

from ..datasets.images.image_files import open_image, orientation
from .pixels import MAX_PIXELS

START, END, SCAN, ADOBE = 0xD8, 0xD9, 0xDA, 0xEE
BASELINE, PROGRESSIVE = 0xC0, 0xC2
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Beside those two: extended and lossless, hierarchical, and arithmetically coded ones."""
Factors = tuple[tuple[int, int], ...]
_GREY: Factors = ((1, 1),)
# Y first. 4:1:0 is left to Pillow: it has two forms, and no camera writes either.
_YCBCR = tuple(((h, v), (1, 1), (1, 1)) for h, v in ((1, 1), (1, 2), (2, 1), (2, 2), (4, 1)))
"""Subsamplings 4:4:4, 4:4:0, 4:2:2, 4:2:0 and 4:1:1, as sampling factors (across, down)."""
_COMPONENTS = (b"\x01\x02\x03", b"\x00\x01\x02")
"""The names of Y, Cb and Cr in JFIF files, and in those of some cameras."""
# A marker inside coded data is 0xff and neither a stuffed zero, a restart, nor one more 0xff.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True)
class _Header:
    """The header holds what the markers up to the first scan say.

    frame: of the frame's marker. bits: of a sample. size: width and height in pixels, not turned.
    names, factors: of each component. transform: of the Adobe marker, None without one. scanned:
    how many components the first scan has.
    """

    frame: int
    bits: int
    size: tuple[int, int]
    names: bytes
    factors: Factors
    transform: int | None
    scanned: int


def size_for_gpu(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels of an image that the GPU decodes; None if Pillow does.

    data: the bytes of an image file. The GPU decodes JPEG files that are baseline or progressive,
    8 bits, grey or YCbCr with the usual subsamplings, upright by their EXIF data, complete up to
    the end-of-image marker, and of at most `MAX_PIXELS` pixels.
    """
    header = _read(data)
    if header is None or not _is_usual(header) or not _is_upright(data):
        return None
    return header.size


def _is_usual(header: _Header) -> bool:
    """Tell whether the header is one that nvJPEG and Pillow cannot read in two ways."""
    grey = header.factors == _GREY
    colour = header.factors in _YCBCR and header.names in _COMPONENTS
    width, height = header.size
    return (
        header.frame in (BASELINE, PROGRESSIVE)
        and header.bits == 8
        # An Adobe marker with transform 0 says RGB, 2 says YCCK.
        and (grey or (colour and header.transform in (None, 1)))
        # Where each component has a scan of its own, support differs between nvJPEG's ways.
        and header.scanned == len(header.factors)
        and 0 < width * height <= MAX_PIXELS
    )


def _is_upright(data: bytes) -> bool:
    """Tell whether Pillow opens the file, and would not turn it."""
    try:
        with open_image(BytesIO(data)) as image:
            return orientation(image) == 1
    except Exception:  # Pillow raises nearly anything on damaged headers, and says why later
        return False


def _read(data: bytes) -> _Header | None:
    """Read the markers; None if this is no JPEG file, or damaged, or has no end."""
    if data[:2] != bytes((0xFF, START)):
        return None
    place, frame, transform = 2, None, None
    try:
        while True:
            marker, start, stop = _segment(data, place)
            content = data[start:stop]
            if marker == SCAN:
                complete = frame is not None and _has_end(data, stop)
                return _Header(*frame, transform, content[0]) if frame and complete else None
            if marker in _FRAMES:
                frame = (marker, *_frame(content))
            elif marker == ADOBE and content[:5] == b"Adobe":
                transform = content[11]
            place = stop
    except (IndexError, ValueError):
        return None


def _segment(data: bytes, place: int) -> tuple[int, int, int]:
    """Return the marker at a place, and where its content starts and stops."""
    if data[place] != 0xFF:
        raise ValueError("no marker")
    while data[place] == 0xFF:
        place += 1
    length = int.from_bytes(data[place + 1 : place + 3])
    if length < 2 or place + 1 + length > len(data):
        raise ValueError("no length")
    return data[place], place + 3, place + 1 + length


def _frame(content: bytes) -> tuple[int, tuple[int, int], bytes, Factors]:
    """Return bits, (width, height), names and sampling factors of a frame's components."""
    height, width = int.from_bytes(content[1:3]), int.from_bytes(content[3:5])
    parts = [content[6 + 3 * part : 9 + 3 * part] for part in range(content[5])]
    factors = tuple((part[1] >> 4, part[1] & 15) for part in parts)
    return content[0], (width, height), bytes(part[0] for part in parts), factors


def _has_end(data: bytes, place: int) -> bool:
    """Tell whether the scans that begin at a place go on to an end-of-image marker."""
    while found := _MARKER.search(data, place):
        if found.group()[1] == END:
            return True
        # Between the scans of a progressive file stand tables and the headers of further scans.
        _, _, place = _segment(data, found.start())
    return False
