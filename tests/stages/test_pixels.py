"""Decoding: every kind of image a dataset holds, and every kind of file that is none."""

import contextlib
import errno
import hashlib
import io
import logging
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from a2pipe.errors import A2pipeError, BadImageError
from a2pipe.stages.pixels import MAX_PIXELS, decode, read_file

RED, BLUE = (255, 0, 0), (0, 0, 255)


def photo(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG of any stated size, black or white, with these pixel rows."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def reason(path: Path, **options: int) -> str:
    with pytest.raises(BadImageError) as caught:
        decode(path, **options)
    assert str(path) not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Good files


def test_rgb_pixels_are_those_of_the_file(tmp_path: Path) -> None:
    image = photo()
    image.save(tmp_path / "a.png")
    pixels = decode(tmp_path / "a.png")
    assert pixels.shape == (48, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.asarray(image))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_every_natural_format_is_decoded(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "image.bin"
    path.write_bytes(encoded(photo(), kind))
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(decode(path), expected)


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), [[[1, 2, 3]]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_to_eight(tmp_path: Path, kind: str) -> None:
    levels = np.array([[0, 128, 257, 32896, 65278, 65535]], np.uint16)
    path = tmp_path / "a.img"
    path.write_bytes(encoded(Image.fromarray(levels), kind))
    expected = np.array([0, 0, 1, 128, 254, 255])
    np.testing.assert_array_equal(decode(path), np.stack([expected] * 3, -1)[None])


def test_big_endian_sixteen_bit_grey_is_scaled_too(tmp_path: Path) -> None:
    levels = np.array([[0, 65535]], ">u2")
    image = Image.frombytes("I;16B", (2, 1), levels.tobytes())
    image.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(decode(tmp_path / "a.tif")[0, :, 0], [0, 255])


def test_transparent_level_of_sixteen_bit_grey_is_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[257, 514]], np.uint16))
    image.save(tmp_path / "a.png", transparency=257)
    np.testing.assert_array_equal(decode(tmp_path / "a.png")[0, :, 0], [255, 2])


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    pixels = decode(tmp_path / "a.jpg")
    assert np.abs(pixels.astype(int) - RED).max() <= 3


@pytest.mark.parametrize("mode", ["1", "L"])
def test_bilevel_and_grey_become_rgb(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (3, 2), 255).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), np.full((2, 3, 3), 255))


def test_palette_with_alpha_is_composited_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *BLUE, 0, 0, 0])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "a.png", transparency=bytes([255, 0, 128]))
    half = 255 - 128
    expected = [[RED, (255, 255, 255), (half, half, half)]]
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_on_white(tmp_path: Path, mode: str) -> None:
    black = (0, 0, 0, 0) if mode == "RGBA" else (0, 0)
    Image.new(mode, (2, 2), black).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), np.full((2, 2, 3), 255))


def test_transparent_colour_of_rgb_is_white(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), RED).save(tmp_path / "a.png", transparency=RED)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), np.full((2, 2, 3), 255))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_animation_gives_its_first_frame(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    path = tmp_path / "a.img"
    path.write_bytes(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    np.testing.assert_array_equal(decode(path), np.broadcast_to(RED, (8, 8, 3)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, kind: str, turn: int) -> None:
    upright = np.asarray(photo(24, 16))
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: a.swapaxes(0, 1)[::-1],
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: a.swapaxes(0, 1)[:, ::-1],
    }
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = Image.fromarray(np.ascontiguousarray(undo[turn](upright)))
    options = {"lossless": True} if kind == "WEBP" else {}
    path = tmp_path / "a.img"
    path.write_bytes(encoded(stored, kind, exif=exif, **options))
    np.testing.assert_array_equal(decode(path), upright)


def test_turned_jpeg_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo().save(tmp_path / "a.jpg", exif=exif)
    stored = np.asarray(Image.open(tmp_path / "a.jpg"))
    np.testing.assert_array_equal(decode(tmp_path / "a.jpg"), np.rot90(stored, -1))


def test_damaged_exif_leaves_the_pixels_as_they_are(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert decode(tmp_path / "a.jpg").shape == (48, 64, 3)


def test_file_name_may_be_anything(tmp_path: Path) -> None:
    for name in ("Vögel im Wald – 鳥.png", "white space.png", os.fsdecode(b"latin\xe9.png")):
        photo().save(tmp_path / "a.png")
        (tmp_path / "a.png").rename(tmp_path / name)
        assert decode(tmp_path / name).shape == (48, 64, 3)


def test_link_to_an_image_is_followed(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("a.png")
    assert decode(tmp_path / "b.png").shape == (48, 64, 3)


# Bad files


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert reason(tmp_path / "a.jpg") == "file is empty"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated_file(tmp_path: Path, kind: str, share: float) -> None:
    whole = encoded(photo(96, 96), kind)
    (tmp_path / "a.jpg").write_bytes(whole[: int(len(whole) * share)])
    reason(tmp_path / "a.jpg")


def test_truncation_is_told_even_where_other_code_made_pillow_lenient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = encoded(photo(256, 256), "JPEG")
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in reason(tmp_path / "a.jpg")


def test_text_renamed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("<html>404 not found</html>")
    assert reason(tmp_path / "a.jpg").startswith("not an image (JPEG, PNG")


def test_format_that_starts_programs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(photo(), "EPS"))
    assert reason(tmp_path / "a.jpg").startswith("not an image")


def test_zero_width(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(0, 5))
    reason(tmp_path / "a.png")


def test_directory(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").mkdir()
    assert reason(tmp_path / "x.jpg") == "a directory, not a file"


def test_missing_file_and_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("nowhere.jpg")
    assert reason(tmp_path / "a.jpg") == "a link to a file that is missing"
    assert reason(tmp_path / "b.jpg") == "file is missing"


def test_link_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("a.jpg")
    assert "cannot be read" in reason(tmp_path / "a.jpg")


def test_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert reason(tmp_path / "a.jpg") == "not a regular file"


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    photo().save(tmp_path / "a.png")
    monkeypatch.setattr(Path, "open", refuse)
    assert reason(tmp_path / "a.png") == "file cannot be read: permission denied"


def test_read_error_of_the_disk_is_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    photo().save(tmp_path / "a.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    assert reason(tmp_path / "a.png") == "file cannot be read: input/output error"


def indexed(path: Path, data: bytes) -> str:
    """Write a file; its digest."""
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()[:32]


def raising(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT])
@pytest.mark.parametrize("what", ["load", "digest"])
def test_read_error_of_an_indexed_file_is_no_bad_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, what: str
) -> None:
    digest = indexed(tmp_path / "a.png", encoded(photo(), "PNG"))
    owner, name = (ImageFile.ImageFile, "load") if what == "load" else (hashlib, "file_digest")
    monkeypatch.setattr(owner, name, raising(number))
    with pytest.raises(
        A2pipeError, match=r"could be read when it was indexed.*run again"
    ) as caught:
        decode(tmp_path / "a.png", digest=digest)
    assert not isinstance(caught.value, BadImageError)


def test_an_indexed_file_that_is_damaged_stays_a_bad_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoded(photo(256, 256), "JPEG")
    digest = indexed(tmp_path / "a.jpg", whole[: len(whole) // 2])
    with pytest.raises(BadImageError, match="truncated"):
        decode(tmp_path / "a.jpg", digest=digest)
    monkeypatch.setattr(ImageFile.ImageFile, "load", raising(errno.EINVAL))
    with pytest.raises(BadImageError, match="invalid argument"):
        decode(tmp_path / "a.jpg", digest=digest)


def test_too_many_open_files_is_no_bad_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    photo().save(tmp_path / "a.png")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(A2pipeError, match="Too many open files") as caught:
        decode(tmp_path / "a.png")
    assert not isinstance(caught.value, BadImageError)


def test_bomb_is_refused_before_a_pixel_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("decoded")

    path = tmp_path / "a.png"
    path.write_bytes(png(20_000, 20_000, bytes(2_501) * 20_000))
    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    assert reason(path) == f"image has more pixels than the limit of {MAX_PIXELS:,}; not decoded"


def test_limit_of_the_caller_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    photo().save(tmp_path / "a.png")
    assert "3,071" in reason(tmp_path / "a.png", max_pixels=64 * 48 - 1)
    assert decode(tmp_path / "a.png", max_pixels=64 * 48).shape == (48, 64, 3)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_range(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4)).save(tmp_path / "a.tif")
    assert "no fixed range" in reason(tmp_path / "a.tif")


def test_flipped_bytes_never_give_anything_but_pixels_or_a_reason(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "a.img"
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"):
        whole = np.frombuffer(encoded(photo(), kind), np.uint8)
        for _ in range(40):
            spoilt = whole.copy()
            spoilt[rng.integers(0, min(len(spoilt), 400), 8)] = rng.integers(0, 256, 8)
            path.write_bytes(spoilt.tobytes())
            with contextlib.suppress(BadImageError):
                assert decode(path, max_pixels=10**6).ndim == 3


# Around the decoding


def test_changed_file_is_told_from_the_indexed_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    photo().save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    assert decode(path, digest=digest).shape == (48, 64, 3)
    photo(seed=1).save(path)
    with pytest.raises(A2pipeError, match="has changed since it was indexed") as caught:
        decode(path, digest=digest)
    assert not isinstance(caught.value, BadImageError)


def test_file_gone_since_it_was_indexed_is_no_bad_image(tmp_path: Path) -> None:
    with pytest.raises(A2pipeError, match="could be read when it was indexed") as caught:
        decode(tmp_path / "gone.png", digest="0" * 32)
    assert not isinstance(caught.value, BadImageError)


def test_no_warning_is_issued(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo().save(tmp_path / "large.png")
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"
    photo().save(tmp_path / "exif.jpg", exif=exif)
    with pytest.warns(UserWarning, match="EXIF"):
        Image.open(tmp_path / "exif.jpg").close()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        decode(tmp_path / "large.png", max_pixels=4000)
        decode(tmp_path / "exif.jpg", max_pixels=4000)
    assert not issued
    assert capfd.readouterr() == ("", "")


def test_pillow_logs_nothing_of_its_own_accord() -> None:
    assert any(isinstance(h, logging.NullHandler) for h in logging.getLogger("PIL").handlers)


def test_threads_decode_what_one_thread_decodes(tmp_path: Path) -> None:
    kinds = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]
    paths = [tmp_path / f"{index}.img" for index in range(96)]
    for index, path in enumerate(paths):
        path.write_bytes(encoded(photo(seed=index), kinds[index % len(kinds)]))
    alone = [decode(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for one, other in zip(alone, pool.map(decode, paths), strict=True):
                np.testing.assert_array_equal(one, other)


def test_first_decodes_of_a_process_may_run_in_threads(tmp_path: Path) -> None:
    """Every format is known before the first file is opened, whichever thread comes first."""
    for index, kind in enumerate(["WEBP", "TIFF", "JPEG2000", "PNG"] * 4):
        (tmp_path / f"{index}.img").write_bytes(encoded(photo(), kind))
    (tmp_path / "text.img").write_text("no image")
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from a2pipe.errors import BadImageError
from a2pipe.stages.pixels import decode
def attempt(path):
    try: return decode(path).shape
    except BadImageError: return None
with ThreadPoolExecutor(16) as pool:
    print(sum(found is not None for found in pool.map(attempt, Path(sys.argv[1]).iterdir())))
"""
    arguments = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("16\n", "")


# Files that are read and not decoded


def test_a_file_is_read_as_it_was_indexed(tmp_path: Path) -> None:
    data = encoded(photo(), "JPEG")
    (tmp_path / "a.jpg").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()[:32]
    assert read_file(str(tmp_path / "a.jpg"), digest) == data
    assert read_file("elsewhere", digest, data) == data
    with pytest.raises(A2pipeError, match="has changed since it was indexed"):
        read_file(str(tmp_path / "a.jpg"), "00")
    with pytest.raises(BadImageError, match="file is missing"):
        read_file(str(tmp_path / "b.jpg"))
    with pytest.raises(A2pipeError, match="could be read when it was indexed and now cannot"):
        read_file(str(tmp_path / "b.jpg"), digest)
