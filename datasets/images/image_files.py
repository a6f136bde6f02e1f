"""Image files: which names count as one, opening them, and what their header says.

Only the formats below are tried, whatever else Pillow knows: some of its other plugins start
programs (EPS) and none of them holds photographs.
"""

import errno
import logging
import re
import stat
import warnings
from io import BufferedReader, BytesIO
from pathlib import Path

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from ...errors import A2pipeError, BadImageError
from .archives import open_in_archive
from .locators import parse_locator

Readable = BufferedReader | BytesIO

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif", ".mpo"}
)

# Imported above so that every format is registered before the first thread opens a file.
_PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    GifImagePlugin.GifImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    PpmImagePlugin.PpmImageFile,
    Jpeg2KImagePlugin.Jpeg2KImageFile,
    AvifImagePlugin.AvifImageFile,
)
FORMATS = tuple(plugin.format for plugin in _PLUGINS)

ORIENTATION = 0x0112
_QUARTER_TURNS = frozenset({5, 6, 7, 8})
_SILENCE = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_MACHINE_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})

logging.getLogger("PIL").addHandler(logging.NullHandler())


def has_image_suffix(name: str) -> bool:
    """Whether a file name ends like an image's, in either case."""
    # pathlib needs ten times as long, which a hundred thousand names notice.
    head, dot, ending = name.rpartition(".")
    return dot + ending.lower() in SUFFIXES and head[-1:] not in ("", "/")


def open_file(path: str | Path) -> Readable:
    """Open a regular file, or what a locator points at, for reading bytes.

    Raises BadImageError with the reason (missing, a directory, a dangling link, no permission, …),
    and A2pipeError when the machine is at fault rather than the file (too many open files, a stale
    mount).
    """
    locator, path = parse_locator(str(path)), Path(path)
    try:
        if locator is not None:
            return open_in_archive(locator)
        _require_regular(path.stat().st_mode)
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise explain(path, error) from error


def explain(path: str | Path, error: OSError | ValueError) -> A2pipeError:
    """The error to raise for a file that could not be read: the file's fault, or the machine's."""
    if not isinstance(error, OSError):
        return BadImageError("the path is not a possible file name")
    if error.errno in _MACHINE_FAULTS:
        return A2pipeError(
            f"{path} could not be read ({error.strerror}): free this machine's resources."
        )
    if isinstance(error, FileNotFoundError):
        if parse_locator(str(path)) is not None:
            return BadImageError("the file that holds it is missing")
        dangling = Path(path).is_symlink()
        return BadImageError("a link to a file that is missing" if dangling else "file is missing")
    return BadImageError(f"file cannot be read: {(error.strerror or str(error)).lower()}")


def open_image(handle: Readable) -> Image.Image:
    """Read the header of an image in one of FORMATS; no pixel is decoded and no warning is printed.

    Raises what Pillow raises: UnidentifiedImageError, DecompressionBombError, or nearly anything
    else for a damaged header.
    """
    silence_pillow()
    return Image.open(handle, formats=FORMATS)


def silence_pillow() -> None:
    """Ignore warnings issued from within Pillow.

    Python's `catch_warnings` is not safe among threads, hence one filter, put back in front if
    moved.
    """
    if warnings.filters[:1] != [_SILENCE]:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8 of an image whose pixels are not loaded yet; 1 where absent or damaged.

    TIFF counts as 1, because Pillow turns it while loading and reports the turned size before. PNG
    metadata that stand behind the pixels are not looked for.
    """
    if image.format == "TIFF":
        return 1
    try:
        # PngImageFile.getexif would decode the pixels first.
        value = Image.Image.getexif(image).get(ORIENTATION)
    except Exception:  # Pillow raises nearly anything on damaged EXIF; the pixels may be fine
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height once the orientation is applied; the pixels must not be loaded yet."""
    width, height = image.size
    return (height, width) if orientation(image) in _QUARTER_TURNS else (width, height)


def _require_regular(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise BadImageError("a directory, not a file")
    if not stat.S_ISREG(mode):
        raise BadImageError("not a regular file")
