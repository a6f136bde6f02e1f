"""The baseline "center:SIZE" is the square in the middle of the canvas."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import UsageError
from ..geometry import Canvas
from . import squares
from .box import Boxes, BoxSpec, NamedBoxes


@dataclass(frozen=True)
class CenterBox(BoxSpec):
    """A CenterBox is the size x size square in the middle of the canvas.

    An odd rest goes right and below.
    """

    form: ClassVar[str] = "center:SIZE"
    option: ClassVar[str] = r"\d+"

    size: int
    canvas: int
    geometry: str = "squash"
    kind: str = "center"

    @classmethod
    def named(cls, option: str, canvas: Canvas, *_: Any) -> NamedBoxes:
        size = int(option)
        if size > canvas.side:
            raise UsageError(
                f"A centre crop of {size} px does not fit into an image of {canvas.side} px; "
                "change embedding.baselines or image.size."
            )
        box = cls(size, canvas.side, canvas.geometry)
        return NamedBoxes(f"center:{size}", box.name, (box,), crops=(size,))

    def place(self, images: Sequence[str], *_: Any) -> Boxes:
        squares.check_size(self.size, self.canvas)
        start = (self.canvas - self.size) // 2
        return squares.repeated((start, start, start + self.size, start + self.size), len(images))

    @property
    def name(self) -> str:
        return f"centre crop, {self.size} px"
