"""Tiles divide a canvas; the baseline "s2" is made of them (S², arXiv 2403.13043)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import UsageError
from ...models.preprocessing import crop_resize
from ..geometry import Canvas
from . import squares
from .box import Boxes, BoxSpec, NamedBoxes
from .full import FullBox


@dataclass(frozen=True)
class TileBox(BoxSpec):
    """A TileBox is tile `number`, row-major from 0, of the grid x grid tiles of the canvas."""

    form: ClassVar[str] = "s2"

    number: int
    grid: int
    canvas: int
    geometry: str = "squash"
    kind: str = "tile"

    @classmethod
    def named(cls, option: str, canvas: Canvas, *_: Any) -> NamedBoxes:
        """Return scales 1 and 2 of S²: the whole image, and the mean over its 2 x 2 tiles."""
        del option
        side, geometry = canvas.side, canvas.geometry
        _check_tiles(2, side)
        tiles = tuple(cls(number, 2, side, geometry) for number in range(4))
        return NamedBoxes("s2", "S², scales 1 and 2", (FullBox(side, geometry),), averaged=tiles)

    def place(self, images: Sequence[str], *_: Any) -> Boxes:
        _check_tiles(self.grid, self.canvas)
        return squares.repeated(self._square(self.canvas), len(images))

    def crops(self, canvases: Any, boxes: Boxes, size: int) -> Any:
        """Cut the tile out of the canvas enlarged to grid * size pixels, as S² does.

        The canvas is enlarged as one image, bicubically and without antialiasing, so that a tile is
        interpolated across its edges too.
        """
        from torch.nn.functional import interpolate

        side = self.grid * size
        enlarged = interpolate(canvases, size=(side, side), mode="bicubic", align_corners=False)
        return crop_resize(enlarged, squares.repeated(self._square(side), len(boxes)), size)

    @property
    def name(self) -> str:
        return f"tile {self.number + 1} of {self.grid} x {self.grid}"

    def _square(self, canvas: int) -> squares.Square:
        """Return the tile on a canvas of this side."""
        side = canvas // self.grid
        x, y = self.number % self.grid * side, self.number // self.grid * side
        return x, y, x + side, y + side


def _check_tiles(grid: int, canvas: int) -> None:
    """Raise UsageError unless grid x grid tiles of the canvas are whole pixels."""
    if canvas % grid:
        raise UsageError(
            f"An image of {canvas} px cannot be cut into {grid} x {grid} equal tiles; change "
            "image.size."
        )
