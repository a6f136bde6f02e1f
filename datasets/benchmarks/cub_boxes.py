"""Read the bounding boxes of CUB-200-2011 by image id, and verify the ids by `images.txt`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...errors import UsageError
from ..collection import NO_BOXES, Boxes

T = TypeVar("T")
Rectangle = tuple[float, float, float, float]

BOXES, IMAGES = "bounding_boxes.txt", "images.txt"
FOLDER = "CUB_200_2011"


@dataclass(frozen=True)
class CubBoxes:
    """CubBoxes are the boxes of CUB's images.

    path: the file they were read from.
    rectangles: x, y, width, height in pixels from the top left corner, by image id (from 1).
    files: file names by image id; None if there is no images.txt to say so.
    """

    path: Path
    rectangles: Mapping[int, Rectangle]
    files: Mapping[int, str] | None

    @classmethod
    def none(cls) -> CubBoxes:
        """Return boxes of no image at all."""
        return cls(Path(), {}, {})

    def of(self, ids: Sequence[int]) -> Boxes:
        """Return the box of each image: float64, (1, 4), x, y, x + width, y + height in pixels.

        An image without a box gives an array of shape (0, 4).
        """
        boxes = {i: np.array([[x, y, x + w, y + h]]) for i, (x, y, w, h) in self.rectangles.items()}
        return tuple([boxes.get(number, NO_BOXES) for number in ids])

    def require_same_files(self, names: Mapping[int, str]) -> None:
        """Raise UsageError if images.txt gives an image another file name.

        names: the dataset's own file names by image id. Without an images.txt, and for ids that it
        lacks, nothing is raised.
        """
        # Ids are all that joins the tables: boxes of other images would fit every id, and be wrong
        # for every image without any error.
        for number, name in names.items():
            other = name if self.files is None else self.files.get(number, name)
            if other != name:
                raise UsageError(
                    f"Image {number} is {name} in the dataset but {other} in "
                    f"{self.path.parent / IMAGES}: these boxes belong to other images; take those "
                    "of the CUB-200-2011 release."
                )

    def remarks(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Return sentences on images without a box, and on ids that could not be verified."""
        lacking = sum(number not in self.rectangles for number in ids)
        found = []
        if lacking:
            found.append(f"{self.path} has no box for {lacking:,} of {len(ids):,} images.")
        if self.files is None:
            found.append(
                f"There is no {IMAGES} beside {self.path}, so nothing shows that its boxes are "
                "those of these images."
            )
        return tuple(found)


def find_cub_boxes(root: Path, given: str | None) -> CubBoxes | str:
    """Return the boxes, or one sentence that says where they were looked for in vain.

    root: the dataset's folder.
    given: CUB's folder or its bounding_boxes.txt, absolute or below the root. If it is None, the
        root is looked into, then `CUB_200_2011` in it, then `CUB_200_2011` beside it.

    Raises UsageError if `given` leads nowhere, and for a file that is no table of boxes.
    """
    if given is not None:
        return cub_boxes_at(root / Path(str(given)).expanduser())
    places = [root / BOXES, root / FOLDER / BOXES, root.parent / FOLDER / BOXES]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        sought = ", ".join(map(str, places))
        return f"No boxes: {sought} were looked for; the option boxes=PATH says where else."
    return read_cub_boxes(found)


def cub_boxes_at(path: Path) -> CubBoxes:
    """Return the boxes of CUB's folder or of its bounding_boxes.txt.

    Raises UsageError if the file is not there or is no table of boxes.
    """
    path = path / BOXES if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"There is no {path}: give the folder CUB_200_2011 or its {BOXES}.")
    return read_cub_boxes(path)


def read_cub_boxes(path: Path) -> CubBoxes:
    """Read `bounding_boxes.txt` and, if it lies beside it, `images.txt`.

    Raises UsageError for lines that are not as CUB has them.
    """
    images = path.with_name(IMAGES)
    files = _read(images, lambda words: " ".join(words)) if images.is_file() else None
    return CubBoxes(path, _read(path, _rectangle), files)


def _rectangle(words: list[str]) -> Rectangle:
    x, y, width, height = map(float, words)
    if not (np.isfinite([x, y, width, height]).all() and width > 0 and height > 0):
        raise ValueError("a box without area")
    return x, y, width, height


def _read(path: Path, value: Callable[[list[str]], T]) -> dict[int, T]:
    """Read the lines "id value ..." of a file; return what `value` makes of the rest, by id."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text ({error}): take CUB's file.") from error
    found: dict[int, T] = {}
    for place, line in enumerate(lines, 1):
        try:
            if line.strip():
                number, *words = line.split()
                found[int(number)] = value(words)
        except ValueError as error:
            raise UsageError(
                f"{path}, line {place} is not as CUB-200-2011 has it ({error}): take that file."
            ) from error
    return found
