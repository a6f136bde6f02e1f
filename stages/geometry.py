"""An image becomes a square canvas, and pixels map between the two.

A canvas shows a rectangle of the original and fills a rectangle of its own with it; between them
both axes are linear. Everything that maps a box or cuts pixels goes through these two rectangles.

squash: the whole image on the whole canvas, whatever its aspect ratio.
center-crop: the central square of the shorter side on the whole canvas.
letterbox: the whole image in the middle of the canvas, its longer side as long as the canvas.

Two more resize the whole image first, to whole pixels, and cut the middle out of it then. Their
pixels are those of torchvision's `Resize` and `CenterCrop` on Pillow images, bit for bit:

short-256: the shorter side becomes 256 px for a canvas of 224, and for one of S px the whole number
    next to S * 256 / 224 (a half goes up), bilinearly. Boxes map with the integers of the released
    evaluation of LaSt-ViT (arXiv 2602.22394): x to x f - (int(W f) - S) // 2, where f is 256 by the
    shorter side. torchvision rounds a half to the even number where this rounds down, so that a
    box may stand one pixel of the canvas beside what it marks, as it does there.
open-clip: the shorter side becomes as long as the canvas, bicubically. Boxes map to where
    torchvision puts the pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..cache.layout import ArrayField

Geometry = Literal["squash", "center-crop", "letterbox", "short-256", "open-clip"]
Floats = NDArray[np.float64]
Rectangle = tuple[float, float, float, float]
Corners = tuple[int, int, int, int]

RESIZED_FIRST = ("short-256", "open-clip")
"""These geometries resize the whole image to whole pixels before they cut the canvas out of it."""

_WORDS = {
    "squash": "",
    "center-crop": ", centre-cropped",
    "letterbox": ", letterboxed",
    "short-256": ", short side 256 of 224 and centre-cropped",
    "open-clip": ", bicubic and centre-cropped",
}


def decoding_suffix(draft: bool, decoder: str) -> str:
    """Return in words how pixels were decoded, to be put after a name; "" for Pillow in full."""
    return (", drafted" if draft else "") + (", decoded by nvJPEG" if decoder == "nvjpeg" else "")


@dataclass(frozen=True)
class Frame:
    """A Frame says how one image stands on a canvas.

    shown: x0, y0, x1, y1 of the part of the upright original that is on the canvas, in its pixels;
        edges may lie between pixels.
    filled: the pixels of the canvas that it fills, half-open; what is left is padding.
    scale, corner: where the whole image is resized before the canvas is cut out of it, by how much,
        and the left and top pixel of the cut; an edge x is then mapped to x * scale - left. `shown`
        says the same but for rounding. scale is None for other geometries.
    """

    shown: Rectangle
    filled: Corners
    scale: float | None = None
    corner: tuple[int, int] = (0, 0)

    def to_canvas(self, boxes: NDArray[Any]) -> Floats:
        """Map boxes (k, 4) in pixels of the original to the canvas: float64 (n, 4), n <= k.

        They are clipped to what the image fills; those that have no part in it drop out.
        """
        inside = [(x0, y0, x1, y1) for x0, y0, x1, y1 in self._mapped(boxes) if x0 < x1 and y0 < y1]
        return np.array(inside, dtype=np.float64).reshape(-1, 4)

    def clipped(self, boxes: NDArray[Any]) -> Floats:
        """Map boxes (k, 4) in pixels of the original to the canvas: float64 (k, 4).

        They are clipped to what the image fills. A box that has no part in it stays, without an
        area, on the edge that is next to it.
        """
        return np.array(self._mapped(boxes), dtype=np.float64).reshape(-1, 4)

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

    def _mapped(self, boxes: NDArray[Any]) -> list[Rectangle]:
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).tolist()
        axes = [(self._forth(x0, x1, 0), self._forth(y0, y1, 1)) for x0, y0, x1, y1 in corners]
        return [(x0, y0, x1, y1) for (x0, x1), (y0, y1) in axes]

    def _forth(self, start: float, stop: float, axis: int) -> tuple[float, float]:
        """Map both edges of a box along an axis, and clip them."""
        # Plain numbers: most images have a box or two, for which arrays cost more than they save.
        origin, first, last = self.shown[axis], self.filled[axis], self.filled[axis + 2]
        if self.scale is not None:
            left = self.corner[axis]
            start, stop = start * self.scale - left, stop * self.scale - left
        else:
            scale = (last - first) / (self.shown[axis + 2] - origin)
            start, stop = (start - origin) * scale + first, (stop - origin) * scale + first
        return min(max(start, first), last), min(max(stop, first), last)

    def _back(self, place: int, axis: int) -> float:
        """Map a place on the canvas along an axis to the original."""
        # Multiplied before it is divided, so that edges of the image come out exact.
        start, stop = self.shown[axis], self.shown[axis + 2]
        steps = self.filled[axis + 2] - self.filled[axis]
        # Where edges are no halves of a pixel, rounding could lead out of the image.
        return min(start + (place - self.filled[axis]) * (stop - start) / steps, stop)


@dataclass(frozen=True)
class ResizedCut:
    """A ResizedCut says how a canvas is cut out of the image that was resized as a whole.

    size: width and height to which the upright original is resized. corner: left and top pixel of
    the canvas in it. bicubic: the filter; bilinear if it is not.
    """

    size: tuple[int, int]
    corner: tuple[int, int]
    bicubic: bool


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
        cut = self.resized_cut(width, height)
        if cut is not None:
            return self._resized_frame(width, height, cut)
        raise ValueError(f"there is no geometry {self.geometry!r}")

    @property
    def bicubic(self) -> bool:
        """Return whether pixels are resized bicubically; if not, they are bilinearly."""
        return self.geometry == "open-clip"

    def resized_cut(self, width: int, height: int) -> ResizedCut | None:
        """Return how an upright original becomes the canvas, as torchvision has it.

        None for a geometry that does not resize the whole image first.
        """
        if self.geometry not in RESIZED_FIRST:
            return None
        short = self._short_side
        long = int(short * max(width, height) / min(width, height))
        size = (short, long) if width <= height else (long, short)
        # As torchvision's, Python's rounding takes halves to the even number.
        left, top = (round((length - self.side) / 2) for length in size)
        return ResizedCut(size, (left, top), self.bicubic)

    @property
    def _short_side(self) -> int:
        """Return how long the shorter side is before the canvas is cut out, in pixels."""
        return self.side if self.bicubic else (self.side * 256 + 112) // 224

    def _resized_frame(self, width: int, height: int, cut: ResizedCut) -> Frame:
        shortest, side = min(width, height), self.side
        scale = self._short_side / shortest
        left, top = cut.corner
        if self.geometry == "short-256":
            # The product may fall just short of a whole number, as it does in the released code.
            left, top = (max(0, int(length * scale) - side) // 2 for length in (width, height))
        x0, y0, x1, y1 = (
            edge * shortest / self._short_side for edge in (left, top, left + side, top + side)
        )
        shown = x0, y0, min(x1, width), min(y1, height)
        return Frame(shown, (0, 0, side, side), scale, (left, top))


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
