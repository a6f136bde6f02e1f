"""Tell image files by their names, open them, and read size and orientation from their header.

Only the formats below are tried, whatever else Pillow knows: some of its other plugins start
programs (EPS), and none of them holds photographs.
"""

import errno
import logging
import re
import stat
import warnings
from importlib import import_module
from io import BufferedReader, BytesIO
from pathlib import Path

from PIL import Image

from ...errors import A2pipeError, BadImageError
from .archives import open_in_archive
from .locators import parse_locator

Readable = BufferedReader | BytesIO

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif", ".mpo"}
)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")

# Pillow registers a format when its plugin is imported. All are imported here, so that none is
# missing when the first thread opens a file.
for _plugin in ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Ppm", "Jpeg2K", "Avif"):
    import_module(f"PIL.{_plugin}ImagePlugin")

ORIENTATION = 0x0112
_QUARTER_TURNS = frozenset({5, 6, 7, 8})
_SILENCE = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_MACHINE_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})

# Without a handler Python prints what Pillow logs of damaged headers to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def has_image_suffix(name: str) -> bool:
    """Tell whether a file name ends in one of SUFFIXES, in upper or lower case."""
    # pathlib needs ten times as long, which tells with a hundred thousand names.
    head, dot, ending = name.rpartition(".")
    return dot + ending.lower() in SUFFIXES and head[-1:] not in ("", "/")


def open_file(path: str | Path) -> Readable:
    """Open an image for reading its bytes.

    path: a regular file, or the text of a locator (see `locators`) of an image in an archive.

    Raises BadImageError with the reason (missing, a directory, a dangling link, no permission, …),
    and A2pipeError if the machine is at fault rather than the file (too many open files, a stale
    mount).
    """
    locator, path = parse_locator(str(path)), Path(path)
    try:
        if locator is not None:
            return open_in_archive(locator)
        # Before opening: opening a named pipe would wait for a writer for ever.
        _require_regular(path.stat().st_mode)
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise explain(path, error) from error


def explain(path: str | Path, error: OSError | ValueError) -> A2pipeError:
    """Return the error to raise for a file that could not be read, from what the system raised.

    It is a BadImageError, which condemns this image alone, if the file is at fault; a plain
    A2pipeError, which stops the run, if the machine is: an image is not called bad, and left out of
    every fit, because there were too many open files.
    """
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
    """Read the header of an image in one of FORMATS; decode no pixel and print no warning.

    Raises what Pillow raises: UnidentifiedImageError, DecompressionBombError, or nearly anything
    else for a damaged header.
    """
    silence_pillow()
    return Image.open(handle, formats=FORMATS)


def silence_pillow() -> None:
    """Ignore warnings that are issued from within Pillow, for the rest of the process."""
    # `warnings.catch_warnings` swaps a list that all threads share, so threads that leave it in
    # another order than they entered restore each other's filters. Hence one filter that stays,
    # and is put back in front if somebody else's came before it.
    if warnings.filters[:1] != [_SILENCE]:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, of an image whose pixels are not loaded yet.

    It is 1, upright, where there is none or the EXIF data are damaged. PNG metadata that stand
    behind the pixels are not looked for.
    """
    # Pillow turns a TIFF while it loads the pixels, and reports the turned size before.
    if image.format == "TIFF":
        return 1
    try:
        # The base class's method, as PngImageFile.getexif would decode the pixels first.
        value = Image.Image.getexif(image).get(ORIENTATION)
    except Exception:  # Pillow raises nearly anything on damaged EXIF; the pixels may be fine
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height in pixels once the EXIF orientation is applied.

    The image's pixels must not be loaded yet.
    """
    width, height = image.size
    return (height, width) if orientation(image) in _QUARTER_TURNS else (width, height)


def _require_regular(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise BadImageError("a directory, not a file")
    if not stat.S_ISREG(mode):
        raise BadImageError("not a regular file")
