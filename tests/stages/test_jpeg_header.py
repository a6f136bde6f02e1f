"""What the GPU decodes is said by a file's bytes, and every doubt goes to Pillow."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from a2pipe.stages.jpeg_header import size_for_gpu
from a2pipe.stages.pixels import MAX_PIXELS

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
PHOTO = Image.fromarray(NOISE).resize((90, 60))


def encoded(image: Image.Image = PHOTO, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


PLAIN = encoded()
FRAME = PLAIN.index(b"\xff\xc0")
"""Where the frame stands: marker, length, bits, height, width, count, and three bytes a part."""


def patched(place: int, new: bytes) -> bytes:
    """The plain photograph with other bytes at a place of its frame."""
    start = FRAME + place
    return PLAIN[:start] + new + PLAIN[start + len(new) :]


def sampled(*factors: int) -> bytes:
    """The plain photograph whose frame states these sampling factors, 0x21 for 2 x 1."""
    return patched(10, b"".join(bytes((n + 1, f, n > 0)) for n, f in enumerate(factors)))


def with_segment(marker: int, content: bytes) -> bytes:
    """The plain photograph with one more segment after the start of the image."""
    segment = struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
    return PLAIN[:2] + segment + PLAIN[2:]


def with_orientation(turn: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    return encoded(exif=exif)


def thumbnail_only() -> bytes:
    """A file that is cut off, with a whole thumbnail in its header."""
    return with_segment(0xE2, encoded(PHOTO.resize((8, 8))))[:-2]


def separate_scans() -> bytes:
    """The plain photograph whose first scan holds one of three components."""
    scan = PLAIN.index(b"\xff\xda")
    return PLAIN[: scan + 2] + struct.pack(">HB", 8, 1) + PLAIN[scan + 5 :]


FOR_THE_GPU = {
    "baseline": PLAIN,
    "progressive": encoded(progressive=True),
    "4:4:4": encoded(subsampling="4:4:4"),
    "4:2:2": encoded(subsampling="4:2:2"),
    "4:2:0": encoded(subsampling="4:2:0"),
    "4:4:0": sampled(0x12, 0x11, 0x11),
    "4:1:1": sampled(0x41, 0x11, 0x11),
    "grey": encoded(PHOTO.convert("L")),
    "grey, progressive": encoded(PHOTO.convert("L"), progressive=True),
    "restarts": encoded(restart_marker_rows=1),
    "more behind its end": PLAIN + b"\xff\xd8 another image",
    "an Adobe marker": with_segment(0xEE, b"Adobe\0d\0\0\0\0\1"),
    "upright by EXIF": with_orientation(1),
    "a comment": encoded(comment=b"\xff\xd9 is no end here"),
}

FOR_PILLOW = {
    "nothing": b"",
    "a byte": b"\xff",
    "a start": PLAIN[:2],
    "text": b"not an image at all",
    "PNG": encoded(kind="PNG"),
    "CMYK": encoded(PHOTO.convert("CMYK")),
    "RGB": encoded(keep_rgb=True),
    "RGB by Adobe": with_segment(0xEE, b"Adobe\0d\0\0\0\0\0"),
    "names of RGB": patched(10, b"R\x22\0G\x11\1B\x11\1"),
    "12 bits": patched(4, b"\x0c"),
    "extended": patched(0, b"\xff\xc1"),
    "lossless": patched(0, b"\xff\xc3"),
    "arithmetic": patched(0, b"\xff\xc9"),
    "4:1:0": sampled(0x42, 0x11, 0x11),
    "unequal chroma": sampled(0x22, 0x21, 0x11),
    "all 2 x 2": sampled(0x22, 0x22, 0x22),
    "no height yet": patched(5, b"\0\0"),
    "too many pixels": patched(5, b"\xff\xff\xff\xff"),
    "turned": with_orientation(6),
    "mirrored": with_orientation(2),
    "turned by XMP": with_segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="8"/>'),
    "cut off": PLAIN[:-2],
    "cut in half": PLAIN[: len(PLAIN) // 2],
    "cut off, with a thumbnail": thumbnail_only(),
    "a scan for each component": separate_scans(),
    "no frame": PLAIN[:FRAME] + PLAIN[PLAIN.index(b"\xff\xda") :],
    "a header that Pillow refuses": with_segment(0xDB, b"\x01"),
}


@pytest.mark.parametrize("case", FOR_THE_GPU)
def test_usual_jpeg_files_are_for_the_gpu(case):
    assert size_for_gpu(FOR_THE_GPU[case]) == (90, 60)


@pytest.mark.parametrize("case", FOR_PILLOW)
def test_everything_else_is_for_pillow(case):
    assert size_for_gpu(FOR_PILLOW[case]) is None


def test_the_most_pixels_are_those_that_pillow_decodes():
    width, height = 13_377, 13_377
    assert width * height <= MAX_PIXELS < width * (height + 1)
    assert size_for_gpu(patched(5, struct.pack(">HH", height, width))) == (width, height)
    assert size_for_gpu(patched(5, struct.pack(">HH", height + 1, width))) is None


@given(st.integers(0, len(PLAIN) - 1))
def test_no_beginning_of_a_file_is_for_the_gpu(length):
    assert size_for_gpu(PLAIN[:length]) is None


@given(st.integers(2, len(PLAIN) - 1), st.binary(min_size=1, max_size=4))
def test_damage_raises_nothing(place, noise):
    size_for_gpu(PLAIN[:place] + noise + PLAIN[place + len(noise) :])


@given(st.binary(max_size=200))
def test_any_bytes_raise_nothing(data):
    assert size_for_gpu(b"\xff\xd8" + data) is None
