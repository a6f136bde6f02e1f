"""Draw figure 16 of the paper, crops of a few images, one by one, and keep the arrays it shows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError
from ..reports.drawing import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILE = "crops.npz"
FADED = 0.3
"""The image is this opaque outside the crops; the rest is white."""
_SIDE = 1.7  # inches


@dataclass(frozen=True, eq=False)
class CropPictures:
    """CropPictures are a few images of one dataset with their crops.

    dataset: its name. images: uint8 (n, S, S, 3). boxes: int32 (n, k, 4), x0, y0, x1, y1 in pixels
    of the image, half-open, in the order in which they were placed.
    """

    dataset: str
    images: NDArray[np.uint8]
    boxes: NDArray[np.int32]


def crops_bytes(pictures: CropPictures) -> bytes:
    """Return the pictures as the content of an .npz file."""
    content = io.BytesIO()
    name = np.array(pictures.dataset)
    np.savez(content, dataset=name, images=pictures.images, boxes=pictures.boxes)
    return content.getvalue()


def read_crops(path: Path) -> CropPictures:
    """Read what `crops_bytes` wrote.

    Raises:
        A2pipeError: the file is missing or is no such file.
    """
    try:
        # The file may come from elsewhere, and a pickle in it could run code.
        with np.load(path, allow_pickle=False) as arrays:
            name = str(arrays["dataset"])
            return CropPictures(name, np.asarray(arrays["images"]), np.asarray(arrays["boxes"]))
    except (OSError, EOFError, BadZipFile, TypeError, ValueError, KeyError) as error:
        raise A2pipeError(f"Cannot read the crops in {path} ({error}); run it again.") from error


def faded(image: NDArray[np.uint8], boxes: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the image faded towards white outside the boxes, uint8 (S, S, 3).

    image: uint8 (S, S, 3). boxes: integer (k, 4), x0, y0, x1, y1 in pixels, half-open.
    """
    pale = 255 - FADED * (255.0 - image)
    picture: NDArray[np.uint8] = np.rint(pale).astype(np.uint8)
    for x0, y0, x1, y1 in np.asarray(boxes).reshape(-1, 4):
        picture[y0:y1, x0:x1] = image[y0:y1, x0:x1]
    return picture


def crops_figure(found: Sequence[CropPictures], caption: str = "") -> Figure:
    """Draw one row an image, whose n-th column shows the first n crops (figure 16)."""
    from matplotlib.figure import Figure

    most = max(pictures.boxes.shape[1] for pictures in found)
    rows = [
        (each.dataset, image, boxes)
        for each in found
        for image, boxes in zip(each.images, each.boxes, strict=True)
    ]
    size = (_SIDE * most + 0.5, _SIDE * len(rows) + (0.75 if caption else 0.45))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(rows), most, squeeze=False)
    for line, (name, image, boxes) in zip(panels, rows, strict=True):
        for n, panel in enumerate(line, start=1):
            _show(panel, faded(image, boxes[:n]) if n <= len(boxes) else None)
        line[0].set_ylabel(name, fontsize=7.5, color=INK)
    for n, panel in enumerate(panels[0], start=1):
        panel.set_title(f"{n} crop{'s' if n > 1 else ''}", fontsize=9, color=INK)
    if caption:
        figure.supxlabel(caption, fontsize=7, color=MUTED, wrap=True, parse_math=False)
    return figure


def _show(panel: Axes, picture: NDArray[np.uint8] | None) -> None:
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)
    if picture is not None:
        panel.imshow(picture)
