"""Squares on a canvas are (x0, y0, x1, y1) in pixels, half-open."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError

Square = tuple[int, int, int, int]


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


def repeated(square: Square, count: int) -> NDArray[np.int32]:
    """Return the same square for `count` images: int32 (count, 4)."""
    return np.tile(np.array(square, dtype=np.int32), (count, 1))


def by_image(previous: NDArray[Any] | None, count: int) -> list[list[Square]]:
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


def at(position: int, size: int, canvas: int) -> Square:
    """Return the square at an index into the top-left corners of the canvas in row-major order."""
    y, x = divmod(position, canvas - size + 1)
    return x, y, x + size, y + size
