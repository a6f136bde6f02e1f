"""What every kind of box says of itself, and what the kinds share: squares on a canvas.

A box is a square (x0, y0, x1, y1) in pixels of the canvas, half-open, int32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...cache.layout import ArrayField
from ...errors import UsageError
from ...models.preprocessing import crop_resize
from ..geometry import Canvas

if TYPE_CHECKING:
    from ..attention import AttentionSpec, MapSpec

Boxes = NDArray[np.int32]
Square = tuple[int, int, int, int]


@dataclass(frozen=True)
class NamedBoxes:
    """The boxes that a name in an experiment stands for, such as "center:128".

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


class BoxSpec:
    """One box of an image; each kind is a frozen dataclass derived from this class.

    A kind has the fields `canvas`, the side of the square canvas in pixels, `geometry`, how an
    image becomes that square (`geometry.Canvas`), unless a map knows it, and `kind`, its name. All
    fields are part of the address, except those at their default; so a kind of another package
    gives `kind` no default, or its addresses could be those of another kind with the same fields.

    form: how an experiment names the kind, "center:SIZE"; an empty string if it cannot.
    option: the regular expression that what follows the colon has to match; empty for nothing.
    needs_map: a box is placed by an attention map, so a name stands for one row of each map.
    needs_sizes: the name stands for one row of each list of `crops.sizes`.
    covers_canvas: the box is the canvas itself.
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
        raise NotImplementedError

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
        raise NotImplementedError

    def crops(self, canvases: Any, boxes: Boxes, size: int) -> Any:
        """Cut the box out of B canvases and resize it: float tensor (B, 3, size, size) in [0, 1].

        canvases: float tensor (B, 3, side, side) in [0, 1]; boxes: int32 (B, 4), where the box
        lies on each. Bilinear, antialiased where it shrinks.
        """
        return crop_resize(canvases, boxes, size)

    @property
    def name(self) -> str:
        """The box in words, without the canvas: "centre crop, 128 px"."""
        raise NotImplementedError

    @property
    def words(self) -> str:
        """The box in words: "centre crop, 128 px, letterboxed"."""
        return self.name + self.image_canvas.suffix

    @property
    def image_canvas(self) -> Canvas:
        """The canvas that the box is placed on."""
        return Canvas(self.canvas, self.geometry)

    @property
    def placed_by(self) -> MapSpec | None:
        """The attention map that the box is placed by, if any."""
        return None

    @property
    def before(self) -> Self | None:
        """The box placed before this one, which it stays off, if any."""
        return None

    @property
    def chain(self) -> tuple[Self, ...]:
        """The boxes placed before this one, first to last."""
        return (*self.before.chain, self.before) if self.before else ()

    @property
    def upstream(self) -> tuple[AttentionSpec | BoxSpec, ...]:
        """The specs whose rows are read to place the box."""
        attention = (self.placed_by.attention,) if self.placed_by else ()
        return (*attention, *self.chain)

    def array(self, models: Mapping[str, object]) -> ArrayField:
        """Return what is stored of an image: int32 (4,), -1 where the image is bad."""
        del models
        return ArrayField("box", (4,), "int32", -1)


class NoRoomError(UsageError):
    """An image has no room for a crop off its earlier ones.

    image: the image's name, as it was given. problem: the sentence without its subject.
    """

    def __init__(self, image: str, problem: str) -> None:
        super().__init__(f"Image {image} {problem}")
        self.image = image
        self.problem = problem


def no_room(size: int, canvas: int, taken: Sequence[Square], image: str) -> NoRoomError:
    """Return the error for an image whose taken squares leave no room for one of `size` pixels."""
    earlier = "its earlier crop" if len(taken) == 1 else f"its {len(taken)} earlier crops"
    return NoRoomError(
        image,
        f"has no room for a crop of {size} px off {earlier} on a canvas of {canvas} px: use "
        "smaller or fewer crops.",
    )


def check_size(size: int, canvas: int) -> None:
    """Raise UsageError unless a square of `size` pixels fits the canvas."""
    if not 1 <= size <= canvas:
        raise UsageError(
            f"A crop of {size} px does not fit a canvas of {canvas} px: use 1 to {canvas}."
        )


def repeated(square: Square, count: int) -> Boxes:
    """Return the same square for `count` images: int32 (count, 4)."""
    return np.tile(np.array(square, dtype=np.int32), (count, 1))


def squares_by_image(previous: NDArray[Any] | None, count: int) -> list[list[Square]]:
    """Return boxes (k, count, 4) as a list of k squares for each image; None has none.

    Raises ValueError for another shape.
    """
    if previous is None or len(previous) == 0:
        return [[] for _ in range(count)]
    boxes = np.asarray(previous, dtype=np.int64)
    if boxes.shape[1:] != (count, 4):
        raise ValueError(f"previous boxes have shape {boxes.shape}, expected (k, {count}, 4)")
    return [
        [(x0, y0, x1, y1) for x0, y0, x1, y1 in image.tolist()] for image in boxes.swapaxes(0, 1)
    ]


def intersecting(square: Square, size: int) -> tuple[slice, slice]:
    """Return rows and columns of the top-left corners at which a square of `size` pixels meets it.

    Squares that only touch do not meet.
    """
    x0, y0, x1, y1 = square
    return slice(max(y0 - size + 1, 0), max(y1, 0)), slice(max(x0 - size + 1, 0), max(x1, 0))


def square_at(position: int, size: int, canvas: int) -> Square:
    """Return the square at an index into the top-left corners of the canvas in row-major order."""
    y, x = divmod(position, canvas - size + 1)
    return x, y, x + size, y + size
