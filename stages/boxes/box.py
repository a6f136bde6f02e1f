"""Kinds of box are derived from BoxSpec, and place squares on a canvas.

A box is a square (x0, y0, x1, y1) in pixels of the canvas, half-open, int32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...cache.layout import ArrayField
from ...models.preprocessing import crop_resize
from ..geometry import Canvas

if TYPE_CHECKING:
    from ..attention import AttentionSpec, MapSpec

Boxes = NDArray[np.int32]


@dataclass(frozen=True)
class NamedBoxes:
    """NamedBoxes are the boxes that a name in an experiment stands for, such as "center:128".

    key: tells the row of the matrix apart from those of other names; the options in it are
        canonical. label: the same for people, "centre crop, 128 px".
    boxes: their embeddings are concatenated, in this order.
    averaged: the mean of their embeddings comes after these; there may be none.
    crops: sides in pixels that tables show for the row; empty for boxes of no chosen size.
    """

    key: str
    label: str
    boxes: tuple[BoxSpec, ...]
    averaged: tuple[BoxSpec, ...] = ()
    crops: tuple[int, ...] = ()


class BoxSpec(ABC):
    """A BoxSpec is one box of an image; each kind is a frozen dataclass derived from this class.

    A kind defines `named`, `place` and `name`. It has these fields, and more of its own:

    canvas: side of the square canvas, in pixels.
    kind: its name.
    geometry: how an image becomes that square (`geometry.Canvas`); not for a kind with a map.
    map: the attention map that the box is placed by, for a kind that needs one.
    previous: the box placed before this one, for a kind that stays off earlier ones, or None.

    All fields are part of the address, except those at their default; so a kind of another package
    gives `kind` no default, or its addresses could be those of another kind with the same fields.
    And a kind has these class variables:

    form: how an experiment names the kind, "center:SIZE"; an empty string if it is offered to none.
    option: the regular expression that what follows the colon has to match; empty for nothing.
    needs_map: a box is placed by an attention map, so a name stands for one row of each map.
    needs_sizes: the name stands for one row of each list of `crops.sizes`.
    covers_canvas: the box is the canvas itself.

    The other class variables are what every spec of rows says, see `stages.specs`.
    """

    stage: ClassVar[str] = "boxes"
    version: ClassVar[int] = 1
    form: ClassVar[str] = ""
    option: ClassVar[str] = ""
    needs_map: ClassVar[bool] = False
    needs_sizes: ClassVar[bool] = False
    covers_canvas: ClassVar[bool] = False
    only_when_read: ClassVar[bool] = False
    pixels: ClassVar[None] = None
    reads_original: ClassVar[bool] = False
    forward_pass: ClassVar[None] = None

    canvas: int
    geometry: str
    kind: str

    @classmethod
    @abstractmethod
    def named(
        cls, option: str, canvas: Canvas, sizes: tuple[int, ...], placed_by: MapSpec | None
    ) -> NamedBoxes:
        """Return the boxes that the kind's name stands for.

        option: what follows the colon, which matches `cls.option`; an empty string for nothing.
        canvas: where the boxes are placed. sizes: one list of `crops.sizes`, for a kind that needs
        sizes. placed_by: an attention map, for a kind that needs one, else None.

        Raises:
            UsageError: the boxes do not fit the canvas.
        """

    @abstractmethod
    def place(
        self, images: Sequence[str], previous: Boxes, maps: NDArray[np.float64] | None
    ) -> Boxes:
        """Place the box on B images: int32 (B, 4) in pixels of the canvas.

        images: B digests of the images' bytes. previous: int32 (k, B, 4), the boxes of `chain`.
        maps: float64 (B, g, g), the attention over the patch grid of the map that the box is
        placed by; None for a kind that needs none.

        Raises:
            NoRoomError: an image has no room for the box.
            A2pipeError: the box cannot be placed by an image's map.
        """

    def crops(self, canvases: Any, boxes: Boxes, size: int) -> Any:
        """Cut the box out of B canvases and resize it: float tensor (B, 3, size, size) in [0, 1].

        canvases: float tensor (B, 3, side, side) in [0, 1]; boxes: int32 (B, 4), where the box
        lies on each. Resizing is bilinear, and antialiased where it shrinks.
        """
        return crop_resize(canvases, boxes, size)

    @property
    @abstractmethod
    def name(self) -> str:
        """Return the box in words, without the canvas: "centre crop, 128 px"."""

    @property
    def words(self) -> str:
        """Return the box in words: "centre crop, 128 px, letterboxed"."""
        return self.name + self.image_canvas.suffix

    @property
    def placed_by(self) -> MapSpec | None:
        """Return the attention map that the box is placed by, or None."""
        return getattr(self, "map", None)

    @property
    def image_canvas(self) -> Canvas:
        """Return the canvas that the box is placed on."""
        placed_by = self.placed_by
        return Canvas(self.canvas, placed_by.attention.geometry if placed_by else self.geometry)

    @property
    def chain(self) -> tuple[BoxSpec, ...]:
        """Return the boxes placed before this one, first to last, which it stays off."""
        before: BoxSpec | None = getattr(self, "previous", None)
        return (*before.chain, before) if before else ()

    @property
    def upstream(self) -> tuple[AttentionSpec | BoxSpec, ...]:
        """Return the specs whose rows are read to place the box."""
        attention = (self.placed_by.attention,) if self.placed_by else ()
        return (*attention, *self.chain)

    def array(self, models: Mapping[str, object]) -> ArrayField:
        """Return what is stored of an image: int32 (4,), -1 where the image is bad."""
        del models
        return ArrayField("box", (4,), "int32", -1)
