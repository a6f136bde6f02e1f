"""Decode an image file to uint8 RGB, and cut crops from it, or raise an error with the reason.

Colour profiles are not applied (as in torchvision), and the first frame stands for an animation.
"""

import errno
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from ..datasets.images.image_files import (
    FORMATS,
    Readable,
    explain,
    open_file,
    open_image,
    orientation,
    upright_size,
)
from ..datasets.images.locators import TarMember, parse_locator
from ..datasets.images.remote import is_url
from ..errors import A2pipeError, BadImageError
from .crops import Crop, whole_canvas
from .geometry import Canvas

Pixels = NDArray[np.uint8]
Reduction = Callable[[int, int], tuple[int, int]]
"""It takes width and height of an upright original to the least size that is still of use."""

MAX_PIXELS = 178_956_970
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEEN_BIT = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
_SIXTEEN_BIT_AS_INTEGERS = frozenset({"PPM", "PNG"})


def load_crops(
    path: str, wanted: Iterable[Crop], digest: str | None = None, content: bytes | None = None
) -> dict[Crop, Pixels]:
    """Return every crop of an image that is wanted: uint8 (size, size, 3) each.

    The image is decoded once, and once more for each canvas that is cut from a draft.
    digest: of the file's bytes when it was indexed. content: these bytes, if they are read already.

    Raises:
        BadImageError: the image cannot be decoded; the message is the reason.
        A2pipeError: the file is no longer the one that was indexed.
    """
    groups: dict[Canvas | None, list[Crop]] = defaultdict(list)
    for crop in wanted:
        groups[crop.canvas if crop.canvas.draft else None].append(crop)
    found: dict[Crop, Pixels] = {}
    for canvas, crops in (groups or {None: []}).items():
        least = canvas.least if canvas else None
        image = decode(path, digest=digest, least=least, content=content)
        found |= {crop: crop.cut(image) for crop in crops}
    return found


def remote_content(path: str, digest: str | None = None) -> bytes | None:
    """Return the bytes of an image in an archive that has a URL, and None for any other path.

    Raises as `load_crops`.
    """
    locator = parse_locator(path)
    if not isinstance(locator, TarMember) or not is_url(locator.archive):
        return None
    with _open(path, digest) as handle:
        return handle.read()


def read_file(path: str, digest: str | None = None, content: bytes | None = None) -> bytes:
    """Return the bytes of an image file, or `content`, if they are those that were indexed.

    Raises as `load_crops`.
    """
    with _open(path, digest) if content is None else BytesIO(content) as handle:
        try:
            data = handle.read()
        except OSError as error:
            raise _explain(path, error, MAX_PIXELS, digest) from error
    if digest is not None:
        _require_unchanged(path, BytesIO(data), digest)
    return data


def load_canvas(path: str, canvas: Canvas) -> Pixels:
    """Return the image on a canvas: uint8 (side, side, 3). Raises as `load_crops`."""
    whole = whole_canvas(canvas)
    return load_crops(path, [whole])[whole]


def decode(
    path: str | Path,
    max_pixels: int = MAX_PIXELS,
    digest: str | None = None,
    least: Reduction | None = None,
    content: bytes | None = None,
) -> Pixels:
    """Return the pixels of an image file: uint8 RGB (height, width, 3), upright, writable.

    path: of a file, or a locator of one in an archive. content: its bytes, if they are read
    already.

    EXIF orientation is applied; palette, CMYK and grey images are converted; 16-bit grey is scaled
    so that 65535 becomes 255; transparency is composited on white. An image of more than
    `max_pixels` is refused before any pixel is decoded. With `digest` (the start of the SHA-256 of
    the file's bytes, in hex), the file must still be the one that was indexed. With `least`, which
    says to what size an image of some width and height may be reduced, a JPEG file is decoded at
    the smallest of the fractions 1/8, 1/4, 1/2 and 1 of its size that is not below it.

    Raises BadImageError, whose message is the reason without the path, for every file that is not
    such an image, truncated ones included; A2pipeError when the file has changed, or can no longer
    be read, or the machine is at fault. Safe to call from many threads; Pillow releases the GIL
    while it decodes and converts.
    """
    with _open(path, digest) if content is None else BytesIO(content) as handle:
        try:
            if digest is not None:
                _require_unchanged(path, handle, digest)
            return _decode(handle, max_pixels, least)
        except (A2pipeError, MemoryError):
            raise
        except Exception as error:  # Pillow raises nearly anything on damaged files
            raise _explain(path, error, max_pixels, digest) from error


def _open(path: str | Path, digest: str | None) -> Readable:
    try:
        return open_file(path)
    except BadImageError as error:
        if digest is None:
            raise
        raise _since_indexed(path, error, digest) from error


def _since_indexed(path: str | Path, error: A2pipeError, digest: str | None) -> A2pipeError:
    """Turn a bad image that could be read when it was indexed into a file that has changed."""
    if digest is None or not isinstance(error, BadImageError):
        return error
    return A2pipeError(
        f"{path} could be read when it was indexed and now cannot ({error}): run again."
    )


def _require_unchanged(path: str | Path, handle: Readable, digest: str) -> None:
    if not hashlib.file_digest(handle, "sha256").hexdigest().startswith(digest):
        raise A2pipeError(f"{path} has changed since it was indexed: run again to read it anew.")
    handle.seek(0)


def _decode(handle: Readable, max_pixels: int, least: Reduction | None) -> Pixels:
    _be_strict(max_pixels)
    if not handle.read(1):
        raise BadImageError("file is empty")
    handle.seek(0)
    with open_image(handle) as image:
        _require_size(image, max_pixels)
        turn = _TURNS.get(orientation(image))
        if least is not None:
            _reduce(image, least)
        image.load()
        upright = _to_rgb(image) if turn is None else _to_rgb(image).transpose(turn)
        return np.array(upright, np.uint8)


def _reduce(image: Image.Image, least: Reduction) -> None:
    """Have libjpeg scale while it decodes; other formats are left as they are."""
    upright = upright_size(image)
    wanted = least(*upright)
    image.draft(None, wanted if upright == image.size else wanted[::-1])


def _be_strict(max_pixels: int) -> None:
    """Undo what other code may have set in Pillow: tolerance of truncation, a lower size limit."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > 2 * Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = (max_pixels + 1) // 2


def _require_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise BadImageError(f"image of {width} x {height} has no pixels")
    if width * height > max_pixels:
        raise _too_large(max_pixels)


def _too_large(max_pixels: int) -> BadImageError:
    return BadImageError(f"image has more pixels than the limit of {max_pixels:,}; not decoded")


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image of any mode to RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _SIXTEEN_BIT:
        return _from_sixteen_bit(image)
    if image.mode == "I" and image.format in _SIXTEEN_BIT_AS_INTEGERS:
        return _from_sixteen_bit(image)
    if image.mode in ("I", "F"):
        raise BadImageError("32-bit pixels have no fixed range: convert the file to 8 or 16 bits")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _from_sixteen_bit(image: Image.Image) -> Image.Image:
    """Scale grey levels 0..65535 to 0..255, rounded; the transparent level becomes white."""
    levels = np.asarray(image).astype(np.uint32)
    grey = ((levels * 255 + 32767) // 65535).astype(np.uint8)
    transparent = image.info.get("transparency")
    if transparent is not None:
        grey[levels == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def _explain(
    path: str | Path, error: Exception, max_pixels: int, digest: str | None
) -> A2pipeError:
    """Turn what Pillow or the file system raised into one error with the reason."""
    if isinstance(error, UnidentifiedImageError):
        return BadImageError(f"not an image ({', '.join(FORMATS)}), or its header is damaged")
    if isinstance(error, Image.DecompressionBombError):
        return _too_large(max_pixels)
    if isinstance(error, OSError) and error.errno is not None:
        # A damaged header can send Pillow to a place before the file's beginning, which the system
        # refuses as EINVAL: the image is bad, though its file could be read when it was indexed.
        indexed = None if error.errno == errno.EINVAL else digest
        return _since_indexed(path, explain(path, error), indexed)
    return BadImageError(f"image cannot be decoded: {error or type(error).__name__}")
