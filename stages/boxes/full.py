"""The baseline "full" is the whole canvas as one box."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..geometry import Canvas
from . import squares
from .box import Boxes, BoxSpec, NamedBoxes


@dataclass(frozen=True)
class FullBox(BoxSpec):
    """A FullBox is the whole canvas."""

    form: ClassVar[str] = "full"
    covers_canvas: ClassVar[bool] = True

    canvas: int
    geometry: str = "squash"
    kind: str = "full"

    @classmethod
    def named(cls, option: str, canvas: Canvas, *_: Any) -> NamedBoxes:
        del option
        return NamedBoxes("full", "full image", (cls(canvas.side, canvas.geometry),))

    def place(self, images: Sequence[str], *_: Any) -> Boxes:
        return squares.repeated((0, 0, self.canvas, self.canvas), len(images))

    @property
    def name(self) -> str:
        return "full image"
