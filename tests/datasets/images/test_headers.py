"""What is read of an ordinary header without Pillow is what Pillow reads, or nothing."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from a2pipe.datasets.images.headers import upright_size_of
from a2pipe.datasets.images.index import header_size

UPRIGHT_XMP, TURNED_XMP = b"<x/>", b'<x tiff:Orientation="6"/>'


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif_bytes(turn: int | None, *, resolution: bool = False, nested: bool = False) -> bytes:
    exif = Image.Exif()
    if turn is not None:
        exif[0x0112] = turn
    if resolution:
        exif[0x011A], exif[0x0128] = 72.5, 2
    if nested:
        exif.get_ifd(0x8769)[0x9000] = b"0230"
    exif[0x010E] = "a camera"
    return exif.tobytes()


# --- what is read without Pillow ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True, "optimize": True}),
        ("JPEG", "RGB", {"comment": b"hello", "dpi": (72, 72)}),
        ("JPEG", "RGB", {"icc_profile": bytes(70_000)}),
        ("JPEG", "RGB", {"restart_marker_blocks": 2, "subsampling": 0}),
        ("JPEG", "RGB", {"xmp": UPRIGHT_XMP}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {"dpi": (72, 72)}),
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("PNG", "P", {}),
        ("PNG", "1", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
    ],
)
def test_ordinary_files_need_no_pillow(kind: str, mode: str, options: dict[str, Any]) -> None:
    assert upright_size_of(saved(noise(31, 17, mode), kind, **options)) == (31, 17)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turn", [None, *range(10)])
def test_every_orientation_of_a_jpeg(turn: int | None, order: str) -> None:
    exif = exif_bytes(turn, resolution=True, nested=True)
    if order == ">":
        exif = big_endian(turn)
    content = saved(noise(31, 17), "JPEG", exif=exif)
    assert upright_size_of(content) == ((17, 31) if turn in (5, 6, 7, 8) else (31, 17))
    assert upright_size_of(content) == header_size(io.BytesIO(content))


def big_endian(turn: int | None) -> bytes:
    entries = [] if turn is None else [struct.pack(">HHLHH", 0x0112, 3, 1, turn, 0)]
    directory = struct.pack(">H", len(entries)) + b"".join(entries) + bytes(4)
    return b"Exif\0\0MM\0*" + struct.pack(">L", 8) + directory


def test_a_png_of_16_bits() -> None:
    image = Image.fromarray(np.zeros((17, 31), np.uint16))
    assert upright_size_of(saved(image, "PNG")) == (31, 17)


def test_exif_may_hold_a_thumbnail_with_a_size_of_its_own() -> None:
    thumbnail = saved(noise(4, 3), "JPEG")
    content = saved(noise(31, 17), "JPEG", exif=exif_bytes(6) + thumbnail)
    assert upright_size_of(content) == (17, 31)


def test_exif_may_stand_before_and_after_other_segments() -> None:
    content = saved(noise(31, 17), "JPEG", exif=exif_bytes(8), comment=b"x")
    start = content.index(b"\xff\xe1")
    end = start + 2 + int.from_bytes(content[start + 2 : start + 4])
    exif, rest = content[start:end], content[:start] + content[end:]
    tables = rest.index(b"\xff\xdb")
    for place in (2, tables):
        assert upright_size_of(rest[:place] + exif + rest[place:]) == (17, 31)


# --- what is left to Pillow ---------------------------------------------------------------------


def jpeg(segment: bytes) -> bytes:
    """A JPEG with a segment after its first two bytes; segment: its marker's second byte first."""
    content = saved(noise(31, 17), "JPEG")
    whole = b"\xff" + segment[:1] + struct.pack(">H", len(segment) + 1) + segment[1:]
    return content[:2] + whole + content[2:]


def png(kind: bytes, data: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    content = saved(noise(31, 17), "PNG")
    checksum = struct.pack(">L", zlib.crc32(kind + data))
    return content[:33] + struct.pack(">L", len(data)) + kind + data + checksum + content[33:]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        saved(noise(31, 17), "BMP"),
        saved(noise(31, 17), "TIFF"),
        saved(noise(31, 17), "JPEG", xmp=TURNED_XMP),
        saved(noise(31, 17), "PNG", exif=exif_bytes(6)),
        saved(noise(31, 17), "WEBP", exif=exif_bytes(6)),
        saved(noise(31, 17).convert("LA").point(lambda value: value // 2), "WEBP"),
        saved(noise(31, 17), "MPO", save_all=True, append_images=[noise(31, 17)]),
        jpeg(b"\xe1Exif\0\0"),
        jpeg(b"\xedPhotoshop 3.0\0"),
        jpeg(b"\xe0JFIF\0"),
        jpeg(b"\xeeAdobe"),
        jpeg(b"\xdb" + b"\x10" + bytes(128)),
        saved(noise(31, 17), "JPEG")[:-1].replace(b"\xff\xc0", b"\xff\xff\xc0"),
        png(b"eXIf", exif_bytes(6)[6:]),
        png(b"tEXt", b"Raw profile type exif\0x"),
        png(b"tEXt", b"XML:com.adobe.xmp\0" + TURNED_XMP),
        png(b"zTXt", b"Title\0\0" + zlib.compress(b"x")),
        png(b"gAMA", b"\0"),
    ],
)
def test_what_is_rare_is_left_to_pillow(content: bytes) -> None:
    assert upright_size_of(content) is None


def test_sizes_that_pillow_may_refuse_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(noise(31, 17), "JPEG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 31 * 17 - 1)
    assert upright_size_of(content) is None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 31 * 17)
    assert upright_size_of(content) == (31, 17)


def test_exif_that_comes_twice_is_left_to_pillow() -> None:
    content = saved(noise(31, 17), "JPEG", exif=exif_bytes(6))
    start = content.index(b"\xff\xe1")
    end = start + 2 + int.from_bytes(content[start + 2 : start + 4])
    assert upright_size_of(content[:start] + content[start:end] + content[start:]) is None


# --- whatever the file, what is told is what Pillow tells ---------------------------------------


@st.composite
def images(draw: st.DrawFn) -> bytes:
    """A JPEG, PNG or WebP file with some of the options that Pillow has."""
    kind = draw(st.sampled_from(["JPEG", "PNG", "WEBP"]))
    modes = {"JPEG": ["RGB", "L", "CMYK"], "PNG": ["RGB", "P", "LA", "1"], "WEBP": ["RGB", "RGBA"]}
    size = st.integers(1, 40)
    image = noise(draw(size), draw(size), draw(st.sampled_from(modes[kind])))
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        turn = draw(st.none() | st.integers(0, 9))
        options["exif"] = exif_bytes(turn, resolution=draw(st.booleans()))
    if kind == "JPEG":
        options["progressive"] = draw(st.booleans())
        options["xmp"] = draw(st.sampled_from([b"", UPRIGHT_XMP, TURNED_XMP]))
        options["icc_profile"] = bytes(draw(st.sampled_from([0, 100, 70_000])))
    elif kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        for key in draw(st.lists(st.sampled_from(["Title", "exif", "xmp", "bbox"]), max_size=2)):
            options["pnginfo"].add_text(key, TURNED_XMP.decode(), zip=draw(st.booleans()))
    else:
        options["lossless"] = draw(st.booleans())
    return saved(image, kind, **options)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Such a file, cut short, or with some bytes of its first part replaced or put in."""
    content = bytearray(draw(images()))
    if draw(st.booleans()):
        return bytes(content[: draw(st.integers(0, len(content)))])
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, min(len(content), 400) - 1))
        content[place : place + draw(st.integers(0, 1))] = bytes([draw(st.integers(0, 255))])
    return bytes(content)


@settings(max_examples=400, deadline=None)
@given(images() | damaged())
def test_what_is_told_is_what_pillow_tells(content: bytes) -> None:
    told = upright_size_of(content)
    assert told is None or told == header_size(io.BytesIO(content))
