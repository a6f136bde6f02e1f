"""An image becomes a square canvas, and pixels map between the two.

A canvas shows a rectangle of the original and fills a rectangle of its own with it; between them
both axes are linear. Everything that maps a box or cuts pixels goes through these two rectangles.

squash: the whole image on the whole canvas, whatever its aspect ratio.
center-crop: the central square of the shorter side on the whole canvas.
letterbox: the whole image in the middle of the canvas, its longer side as long as the canvas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..cache.layout import ArrayField

Geometry = Literal["squash", "center-crop", "letterbox"]
Floats = NDArray[np.float64]
Rectangle = tuple[float, float, float, float]
Corners = tuple[int, int, int, int]

_WORDS = {"squash": "", "center-crop": ", centre-cropped", "letterbox": ", letterboxed"}


def decoding_suffix(draft: bool, decoder: str) -> str:
    """Return in words how pixels were decoded, to be put after a name; "" for Pillow in full."""
    return (", drafted" if draft else "") + (", decoded by nvJPEG" if decoder == "nvjpeg" else "")


@dataclass(frozen=True)
class Frame:
    """A Frame says how one image stands on a canvas.

    shown: x0, y0, x1, y1 of the part of the upright original that is on the canvas, in its pixels;
        edges may lie between pixels.
    filled: the pixels of the canvas that it fills, half-open; what is left is padding.
    """

    shown: Rectangle
    filled: Corners

    def to_canvas(self, boxes: NDArray[Any]) -> Floats:
        """Map boxes (k, 4) in pixels of the original to the canvas: float64 (n, 4), n <= k.

        They are clipped to what the image fills; those that have no part in it drop out.
        """
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).tolist()
        mapped = [(*self._forth(x0, x1, 0), *self._forth(y0, y1, 1)) for x0, y0, x1, y1 in corners]
        inside = [(x0, y0, x1, y1) for x0, x1, y0, y1 in mapped if x0 < x1 and y0 < y1]
        return np.array(inside, dtype=np.float64).reshape(-1, 4)

    def to_original(self, box: Corners) -> Rectangle:
        """Return the rectangle of the original that a box of the canvas shows.

        box: in pixels of the canvas, inside `filled`.
        """
        x0, y0, x1, y1 = box
        return self._back(x0, 0), self._back(y0, 1), self._back(x1, 0), self._back(y1, 1)

    def seen(self, box: Corners) -> Rectangle:
        """Return what a box of the canvas shows of the original, without padding.

        box: in pixels of the canvas, anywhere on it. If it shows padding alone, the rectangle that
        is returned has no area.
        """
        x0, y0, x1, y1 = box
        left, top, right, bottom = self.filled
        across = (min(max(x, left), right) for x in (x0, x1))
        down = (min(max(y, top), bottom) for y in (y0, y1))
        (a, c), (b, d) = across, down
        return self.to_original((a, b, c, d))

    def _forth(self, start: float, stop: float, axis: int) -> tuple[float, float]:
        """Map both edges of a box along an axis, and clip them."""
        # Plain numbers: most images have a box or two, for which arrays cost more than they save.
        origin, first, last = self.shown[axis], self.filled[axis], self.filled[axis + 2]
        scale = (last - first) / (self.shown[axis + 2] - origin)
        start, stop = (start - origin) * scale + first, (stop - origin) * scale + first
        return min(max(start, first), last), min(max(stop, first), last)

    def _back(self, place: int, axis: int) -> float:
        """Map a place on the canvas along an axis to the original."""
        # Multiplied before it is divided, so that edges of the image come out exact.
        length = self.shown[axis + 2] - self.shown[axis]
        steps = self.filled[axis + 2] - self.filled[axis]
        return self.shown[axis] + (place - self.filled[axis]) * length / steps


@dataclass(frozen=True, order=True)
class Canvas:
    """A Canvas is the square that an image becomes, as models are shown it: uint8 (side, side, 3).

    It is a spec too (see `specs`): its pixels are stored on request, so that further models need no
    decoding.

    side: in pixels.
    geometry: how the image comes to stand on the square, see above.
    draft: a JPEG file is decoded at the smallest fraction of its size (1/8, 1/4, 1/2) that covers
        the canvas, which is quicker and gives slightly other pixels.
    decoder: "pillow"; or "nvjpeg", with which a GPU decodes and resizes the JPEG files that
        `jpeg_header` names, which gives slightly other pixels. Pillow decodes all other files.
    """

    stage: ClassVar[str] = "pixels"
    version: ClassVar[int] = 1
    only_when_read: ClassVar[bool] = True
    upstream: ClassVar[tuple[()]] = ()
    reads_original: ClassVar[bool] = False
    forward_pass: ClassVar[None] = None

    side: int
    geometry: str = "squash"
    draft: bool = False
    decoder: str = "pillow"

    @property
    def words(self) -> str:
        """Return the canvas in words: "images at 224 px, letterboxed"."""
        return f"images at {self.side} px{self.suffix}"

    @property
    def suffix(self) -> str:
        """Return what sets the canvas apart from a squashed one, in words to be put after a name.

        "" for a squashed canvas, ", letterboxed", ", drafted", ", letterboxed, decoded by nvJPEG".
        """
        return _WORDS[self.geometry] + decoding_suffix(self.draft, self.decoder)

    @property
    def pixels(self) -> Canvas:
        """Return the canvas whose pixels are decoded for it: this one."""
        return self

    def array(self, models: Mapping[str, object]) -> ArrayField:
        """Return what is stored of an image: uint8 (side, side, 3), 0 where the image is bad."""
        del models
        return ArrayField("pixels", (self.side, self.side, 3), "uint8", 0)

    def least(self, width: int, height: int) -> tuple[int, int]:
        """Return the least width and height to which an upright original may be reduced.

        At a smaller size it would be enlarged to fill the canvas.
        """
        frame = self.frame(width, height)
        (x0, y0, x1, y1), (left, top, right, bottom) = frame.shown, frame.filled
        return ceil(width * (right - left) / (x1 - x0)), ceil(height * (bottom - top) / (y1 - y0))

    def frame(self, width: int, height: int) -> Frame:
        """Return how an upright original of width x height pixels, both at least 1, stands.

        Raises ValueError for a geometry that does not exist.
        """
        whole = (0, 0, self.side, self.side)
        if self.geometry == "squash":
            return Frame((0, 0, width, height), whole)
        if self.geometry == "center-crop":
            return Frame(_central_square(width, height), whole)
        if self.geometry == "letterbox":
            return Frame((0, 0, width, height), _centred(width, height, self.side))
        raise ValueError(f"there is no geometry {self.geometry!r}")


def _central_square(width: int, height: int) -> Rectangle:
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _centred(width: int, height: int, side: int) -> Corners:
    """Fit an image into the middle of the canvas; an odd rest of padding goes right and below."""
    columns, rows = (
        max(1, round(length * side / max(width, height))) for length in (width, height)
    )
    left, top = (side - columns) // 2, (side - rows) // 2
    return left, top, left + columns, top + rows
