"""Read the boxes of images from XML in the style of Pascal VOC, one file for each image."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ..collection import NO_BOXES

CORNERS = ("xmin", "ymin", "xmax", "ymax")
MOST_BYTES = 1_000_000
_WORKERS, _CHUNK = 4, 256


@dataclass(frozen=True, eq=False)
class Annotation:
    """An Annotation is what an XML file says of an image.

    boxes: float64, (k, 4), xmin, ymin, xmax, ymax of its objects in pixels, as they stand there.
    size: the image's width and height in pixels; None if they are not given.
    difficult, truncated: bool, (k,), whether an object is marked so; False where nothing is said.
    """

    boxes: NDArray[np.float64]
    size: tuple[int, int] | None
    difficult: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


def read_annotations(paths: Sequence[str]) -> list[Annotation | None]:
    """Return the annotation in each file, in order; None if there is no such file.

    Raises UsageError for a file that is not such XML, holds more than 1 MB, or declares a document
    type, which is how XML makes a parser expand or fetch things.
    """
    # A file takes so little that handing over each one by itself would cost more than reading it.
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(chain.from_iterable(pool.map(lambda chunk: list(map(_read, chunk)), chunks)))


def _read(path: str) -> Annotation | None:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check its rights.") from error
    try:
        return parse_annotation(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UsageError(
            f"{path} is not an annotation of an image ({error}): take the published file."
        ) from error


class _WithoutDoctype(ElementTree.TreeBuilder):
    """This tree builder refuses a document type, without which no entity can be declared."""

    def doctype(self, *_: object) -> NoReturn:
        raise ValueError("it declares a document type")


def parse_annotation(content: bytes) -> Annotation:
    """Read one annotation from the bytes of its file.

    Raises ValueError, or ElementTree's ParseError, for anything else.
    """
    if len(content) > MOST_BYTES:
        raise ValueError("it is larger than 1 MB")
    root = ElementTree.fromstring(content, ElementTree.XMLParser(target=_WithoutDoctype()))
    # Parts of an object, such as the head of a person, have boxes of their own, one level deeper.
    found = [(each, box) for each in root.iterfind("object") for box in each.iterfind("bndbox")]
    boxes = [_corners(box) for _, box in found]
    size = root.find("size")
    return Annotation(
        boxes=np.array(boxes) if boxes else NO_BOXES,
        size=None if size is None else _size(size),
        difficult=np.array([each.findtext("difficult") == "1" for each, _ in found], np.bool_),
        truncated=np.array([each.findtext("truncated") == "1" for each, _ in found], np.bool_),
    )


def _corners(box: ElementTree.Element) -> list[float]:
    corners = [float(_text(box, name)) for name in CORNERS]
    if not np.isfinite(corners).all():
        raise ValueError("a corner is not a number")
    return corners


def _size(size: ElementTree.Element) -> tuple[int, int]:
    return int(_text(size, "width")), int(_text(size, "height"))


def _text(element: ElementTree.Element, name: str) -> str:
    text = element.findtext(name)
    if text is None:
        raise ValueError(f"{element.tag} lacks {name}")
    return text
