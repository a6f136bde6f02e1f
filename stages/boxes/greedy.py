"""Greedy selection places crops by attention, at a stride of 1 pixel (A², section 3).

Box k is the square of largest attention among those that do not intersect boxes 1..k-1; squares
that only touch do not intersect.

Ties. Bilinear maps have plateaus, so many squares hold exactly the same attention, and rounding
would pick one of them at random. Squares whose sums are within `tolerance(canvas)` of the map's
total from the largest count as equal to it, and the smallest y, then the smallest x, wins. The
tolerance covers the worst rounding of an integral image: with M pixels a side, total T and unit
roundoff u = eps / 2, each of its entries is off by at most 2 (M - 1) roundings u T, and a square
takes four entries and three differences, so its sum is off by at most 8 M u T. Two equal squares
come out at most 16 M u T = 8 M eps T apart: 4e-13 of the total at M = 224, far below the 6e-8 that
float32 attention resolves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import A2pipeError
from ..attention import MapSpec
from ..geometry import Canvas
from ..maps import Floats, upsampled_sums, upsampling_numerators
from . import squares
from .box import Boxes, BoxSpec, NamedBoxes

WindowSums = Callable[[int], Floats]
"""It maps the side of a square to its sums at every position.

The sums are (M - side + 1, M - side + 1), rows y."""


@dataclass(frozen=True)
class GreedyBox(BoxSpec):
    """A GreedyBox is box k: the size x size square of largest attention off `previous`.

    Crop j depends on the sizes of crops 1 to j alone, so lists of crops share their common prefix.
    """

    needs_map: ClassVar[bool] = True
    needs_sizes: ClassVar[bool] = True

    map: MapSpec
    size: int
    canvas: int
    previous: GreedyBox | None = None
    kind: str = "greedy"

    @classmethod
    def named(
        cls, option: str, canvas: Canvas, sizes: tuple[int, ...], placed_by: MapSpec | None
    ) -> NamedBoxes:
        del option
        assert placed_by is not None, "a kind that needs a map is given one"
        chain: list[GreedyBox] = []
        for size in sizes:
            chain.append(cls(placed_by, size, canvas.side, chain[-1] if chain else None))
        crops = "+".join(map(str, sizes))
        return NamedBoxes(crops, f"{crops} px", tuple(chain), crops=sizes)

    def place(
        self, images: Sequence[str], previous: Boxes, maps: NDArray[np.float64] | None
    ) -> Boxes:
        assert maps is not None, "a kind that needs a map is given one"
        found = greedy_boxes(maps, [self.size], previous, canvas=self.canvas, images=images)
        boxes: Boxes = found[0]
        return boxes

    @property
    def name(self) -> str:
        smoothed = "" if self.map.smooth == 1 else f" smooth {self.map.smooth}"
        placed = f"greedy crop {len(self.chain) + 1}, {self.size} px by {self.map.attention.name}"
        return placed + smoothed + self.map.suffix


def tolerance(canvas: int) -> float:
    """Return the share of a map's total within which two squares hold equal attention.

    canvas: side of the canvas, in pixels. The top of this file says why this share.
    """
    return float(8 * canvas * np.finfo(np.float64).eps)


def greedy_boxes(
    maps: NDArray[Any],
    sizes: Sequence[int],
    previous: NDArray[Any] | None = None,
    *,
    canvas: int | None = None,
    images: Sequence[str] | None = None,
) -> Boxes:
    """Place boxes by the greedy selection, one after another: int32 (len(sizes), B, 4).

    maps: (B, g, g), non-negative attention: on the canvas's pixels, or on the patch grid of which
        the canvas is the bilinear upsampling. The boxes are the same; from the grid they come many
        times faster, for sums over squares of a bilinear map are a product of small matrices.
    sizes: sides of the squares in pixels, in order of selection.
    previous: (k, B, 4), boxes placed before these.
    canvas: side of the canvas in pixels; the side of the maps if left out.
    images: B names for messages.

    Raises UsageError for a size below 1 or above the canvas, A2pipeError for a map that is not
    finite or empty, and NoRoomError for an image that has no room off its earlier boxes.
    """
    maps = np.asarray(maps, dtype=np.float64)
    canvas = maps.shape[-1] if canvas is None else canvas
    for size in sizes:
        squares.check_size(size, canvas)
    taken = squares.by_image(previous, len(maps))
    boxes = np.empty((len(sizes), len(maps), 4), dtype=np.int32)
    for row, (total, sums) in enumerate(_window_sums(maps, canvas)):
        boxes[:, row] = _place(total, sums, sizes, taken[row], canvas, _name(images, row))
    return boxes


def _window_sums(maps: Floats, canvas: int) -> Iterable[tuple[float, WindowSums]]:
    """Yield the total and the window sums of each map in turn."""
    if maps.shape[-1] == canvas:
        return map(_from_pixels, maps)
    return zip(
        upsampled_sums(maps, canvas).tolist(),
        (partial(_from_patches, patches, canvas) for patches in maps),
        strict=True,
    )


def _from_pixels(pixels: Floats) -> tuple[float, WindowSums]:
    """Return a map's total, and its window sums as differences of an integral image."""
    side = len(pixels)
    integral = np.zeros((side + 1, side + 1))
    np.cumsum(pixels, axis=1, out=integral[1:, 1:])
    np.cumsum(integral[1:, 1:], axis=0, out=integral[1:, 1:])

    def sums(size: int) -> Floats:
        bands = integral[size:] - integral[:-size]
        return bands[:, size:] - bands[:, :-size]

    return float(integral[-1, -1]), sums


def _from_patches(patches: Floats, canvas: int, size: int) -> Floats:
    """Return the window sums of the upsampled map, (M - size + 1, M - size + 1)."""
    # Every term is positive, so nothing cancels, unlike in differences of an integral image.
    windows, transposed = _window_matrices(len(patches), canvas, size)
    sums: Floats = np.matmul(windows @ patches, transposed)
    return sums


@lru_cache(maxsize=64)
def _window_matrices(cells: int, canvas: int, size: int) -> tuple[Floats, Floats]:
    """Return the (canvas - size + 1, cells) matrix of sums along one axis, and its transpose."""
    numerators = upsampling_numerators(cells, canvas)
    before = np.concatenate([np.zeros((1, cells), np.int64), numerators.cumsum(axis=0)])
    windows = (before[size:] - before[:-size]) / (2 * canvas)
    return windows, np.ascontiguousarray(windows.T)


def _place(
    total: float,
    sums: WindowSums,
    sizes: Sequence[int],
    taken: list[squares.Square],
    canvas: int,
    name: str,
) -> list[squares.Square]:
    """Place boxes of all sizes on one image."""
    if not (np.isfinite(total) and total > 0):
        raise A2pipeError(f"The attention map of image {name} is empty or not finite.")
    placed: list[squares.Square] = []
    for size in sizes:
        placed.append(_best(total, sums(size), size, [*taken, *placed], canvas, name))
    return placed


def _best(
    total: float, sums: Floats, size: int, taken: list[squares.Square], canvas: int, name: str
) -> squares.Square:
    """Return the square of largest sum among those off the taken squares."""
    # The sums are of this call alone, so that they may be overwritten.
    for box in taken:
        sums[squares.intersecting(box, size)] = -np.inf
    largest = sums.max()
    if largest == -np.inf:
        raise squares.no_room(size, canvas, taken, name)
    first = (sums >= largest - tolerance(canvas) * total).argmax()
    return squares.at(int(first), size, canvas)


def _name(images: Sequence[str] | None, row: int) -> str:
    return images[row] if images is not None else str(row)
