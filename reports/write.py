"""Write a report whose files are complete or absent, whatever interrupts the writing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import A2pipeError
from ..files import replace_file
from .heat_map import heat_map_png
from .matrix import GalleryItem, Matrix
from .page import render_page
from .tables import to_csv, to_json, to_markdown


def write_report(
    matrix: Matrix, gallery: Sequence[GalleryItem], folder: Path, about_gallery: str = ""
) -> dict[str, Path]:
    """Write matrix.json, .csv, .md, .png and report.html, and return their paths by name.

    The folder is made if it is not there, and older reports in it are replaced. gallery and
    about_gallery: as in `render_page`.

    Raises A2pipeError when the folder cannot be written.
    """
    # All contents are made before the first is written: an error in one of them leaves the files of
    # an older report as they are, which belong together.
    contents = {
        "matrix.json": to_json(matrix).encode(),
        "matrix.csv": to_csv(matrix).encode(),
        "matrix.md": to_markdown(matrix).encode(),
        "matrix.png": heat_map_png(matrix, _older(folder / "matrix.png")),
        "report.html": render_page(matrix, gallery, about_gallery).encode(),
    }
    return write_files(contents, folder)


def _older(path: Path) -> bytes:
    """Return the bytes of a file; none if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def write_files(contents: Mapping[str, bytes], folder: Path) -> dict[str, Path]:
    """Write each content under its name into a folder, and return the paths by name.

    The folder is made if it is not there. Raises A2pipeError when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            replace_file(folder / name, content)
    except OSError as error:
        raise A2pipeError(
            f"Cannot write the report to {folder}: {error.strerror}; choose another folder or "
            "make room there."
        ) from error
    return {name: folder / name for name in contents}
