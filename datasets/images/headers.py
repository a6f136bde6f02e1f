"""Read the size of an ordinary JPEG, PNG or WebP from its bytes, several times faster than Pillow.

What is told is exactly what Pillow tells, or nothing: a header with anything in it that is rare, or
that Pillow might refuse, is left to Pillow. The formats: ITU-T T.81 annex B and the Exif standard
(CIPA DC-008) for JPEG, the PNG specification (W3C), RFC 9649 and RFC 6386 for WebP.
"""

import struct
import zlib
from collections.abc import Callable

from PIL import Image

Size = tuple[int, int]

_QUARTER_TURNS = range(5, 9)
_ORIENTATION, _X_RESOLUTION, _RESOLUTION_UNIT = 0x0112, 0x011A, 0x0128
_SHORT, _RATIONAL = 3, 5
_TYPE_BYTES = {1: 1, 2: 1, _SHORT: 2, 4: 4, _RATIONAL: 8, 7: 1, 9: 4, 10: 8}


def upright_size_of(content: bytes) -> Size | None:
    """Return width and height in pixels once the EXIF orientation is applied.

    content: the bytes of an image file.

    Returns None where Pillow has to be asked.
    """
    for mark, read in _READERS:
        if content.startswith(mark):
            try:
                size = read(content)
            except (IndexError, struct.error):  # the content ends too early
                return None
            # Pillow refuses no size up to this one, which a user may set.
            most = Image.MAX_IMAGE_PIXELS or 0
            return size if size and 0 < size[0] * size[1] <= most else None
    return None


# --- JPEG -----------------------------------------------------------------------------------------

_SOF = frozenset({0xC0, 0xC1, 0xC2})
_SOS, _DQT, _APP1 = 0xDA, 0xDB, 0xE1
_PASSED_OVER = frozenset({0xC4, 0xDD, *range(0xE3, 0xED), 0xEF, 0xFE})
"""Huffman tables, the restart interval, comments, and application segments that nobody reads."""


def _jpeg(content: bytes) -> Size | None:
    size, turned, exif = None, False, False
    at = 2
    while content[at] == 0xFF:
        marker, length = content[at + 1], content[at + 2] << 8 | content[at + 3]
        start, at = at + 4, at + 2 + length
        if at > len(content) or length < 2:
            return None
        if marker == _SOS:
            return size and (size[1], size[0]) if turned else size
        if marker in _SOF:
            size = _frame(content[start:at])
            if size is None:
                return None
        elif marker == _APP1 and content.startswith(b"Exif\0\0", start):
            found = None if exif else _orientation(content[start + 6 : at])
            if found is None:
                return None
            exif, turned = True, found in _QUARTER_TURNS
        elif marker not in _PASSED_OVER and not _is_harmless(marker, content[start:at]):
            return None
    return None


def _frame(segment: bytes) -> Size | None:
    """Return the size that a start of frame tells, if it has 8 bits and 1, 3 or 4 components."""
    bits, height, width, components = struct.unpack_from(">BHHB", segment)
    ordinary = bits == 8 and components in (1, 3, 4) and len(segment) == 6 + 3 * components
    return (width, height) if ordinary else None


def _is_harmless(marker: int, segment: bytes) -> bool:
    """Tell whether a segment is one that Pillow reads without fail and that turns no image."""
    if marker == _DQT:
        # Tables of 8 bits; Pillow reads those of 16 as well.
        return not len(segment) % 65 and all(head < 16 for head in segment[::65])
    if marker == 0xE0:
        return not segment.startswith(b"JFIF") or len(segment) >= 12
    if marker == _APP1:  # XMP, as Exif is read elsewhere
        return b"tiff:Orientation" not in segment
    if marker == 0xE2:  # not FlashPix, nor the list of further images that MPO has
        return segment.startswith(b"ICC_PROFILE\0") and len(segment) >= 14
    if marker == 0xEE:
        return not segment.startswith(b"Adobe") or len(segment) >= 7
    return False


def _orientation(tiff: bytes) -> int | None:
    """Return the orientation that Exif data tell, 1 for none; None where Pillow has to be asked.

    tiff: the data after "Exif", a TIFF header and its first directory.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return None
    (directory,) = struct.unpack_from(order + "L", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    seen: dict[int, bytes] = {}
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHL", tiff, entry)
        if tag in seen or not _is_whole(tiff, order, entry, tag, kind, values):
            return None
        seen[tag] = tiff[entry + 8 : entry + 10]
    if _ORIENTATION not in seen:
        return 1
    (turn,) = struct.unpack(order + "H", seen[_ORIENTATION])
    return int(turn)


def _is_whole(tiff: bytes, order: str, entry: int, tag: int, kind: int, values: int) -> bool:
    """Tell whether an entry of a directory is well-formed and its values lie within the data."""
    wanted = {_ORIENTATION: _SHORT, _RESOLUTION_UNIT: _SHORT, _X_RESOLUTION: _RATIONAL}.get(tag)
    if kind not in _TYPE_BYTES or (wanted and (kind, values) != (wanted, 1)):
        return False
    size = _TYPE_BYTES[kind] * values
    (start,) = struct.unpack_from(order + "L", tiff, entry + 8)
    return size <= 4 or start + size <= len(tiff)


# --- PNG ------------------------------------------------------------------------------------------

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_LEAST = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9}
_UNREAD = frozenset({b"PLTE", b"sBIT", b"bKGD", b"hIST", b"tIME"})


def _png(content: bytes) -> Size | None:
    length, kind, width, height, depth, colour, *coding = struct.unpack_from(
        ">L4sLLBBBBB", content, 8
    )
    ordinary = depth in _DEPTHS.get(colour, ()) and coding[:2] == [0, 0] and coding[2] < 2
    if (length, kind) != (13, b"IHDR") or not ordinary or not _is_sound(content, 8, 13):
        return None
    at = 33
    while True:
        length, kind = struct.unpack_from(">L4s", content, at)
        if kind == b"IDAT":
            return width, height
        data = content[at + 8 : at + 8 + length]
        if not _is_ordinary_chunk(kind, data) or not _is_sound(content, at, length):
            return None
        at += 12 + length


def _is_sound(content: bytes, at: int, length: int) -> bool:
    """Tell whether the checksum of the chunk at a place is right."""
    checksum = struct.pack(">L", zlib.crc32(content[at + 4 : at + 8 + length]))
    return content.startswith(checksum, at + 8 + length)


def _is_ordinary_chunk(kind: bytes, data: bytes) -> bool:
    """Tell whether a chunk before the pixels has no say in size and orientation."""
    if kind == b"tEXt":
        # Pillow keeps the text under its key among what it knows of the image, where it finds Exif
        # and XMP data by some of these keys.
        key = data.partition(b"\0")[0].lower()
        return not any(word in key for word in (b"exif", b"xmp", b"bbox")) and len(data) < 1 << 16
    return kind in _UNREAD or len(data) >= _LEAST.get(kind, len(data) + 1)


# --- WebP -----------------------------------------------------------------------------------------


def _webp(content: bytes) -> Size | None:
    """Return the size of a WebP file that is one frame, without Exif, animation or alpha plane."""
    riff, form, kind, length = struct.unpack_from("<L4s4sL", content, 4)
    # A chunk of odd length has a byte of padding.
    if form != b"WEBP" or not len(content) == riff + 8 == 20 + length + length % 2:
        return None
    if kind == b"VP8 ":
        tag, high, code, width, height = struct.unpack_from("<HB3sHH", content, 20)
        bits = tag | high << 16
        # A key frame of a known profile, which is shown and whose first part is there.
        known = not bits & 1 and bits >> 1 & 7 <= 3 and bits >> 4 & 1 and bits >> 5 < length
        sound = code == b"\x9d\x01\x2a" and length > 10
        return (width & 0x3FFF, height & 0x3FFF) if known and sound else None
    if kind == b"VP8L":
        mark, bits = struct.unpack_from("<BL", content, 20)
        if mark == 0x2F and not bits >> 29 and length > 5:
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


_READERS: tuple[tuple[bytes, Callable[[bytes], Size | None]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"RIFF", _webp),
)
