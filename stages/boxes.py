"""Where crops are placed: squares (x0, y0, x1, y1) on the canvas, half-open, int32, in pixels.

Greedy selection (A², section 3; integral image, stride 1): box k is the square of largest attention
among those that do not intersect boxes 1..k-1; squares that only touch do not intersect.

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
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError, UsageError
from .maps import Floats, upsampled_sums, upsampling_numerators

Boxes = NDArray[np.int32]
Box = tuple[int, int, int, int]
WindowSums = Callable[[int], Floats]
"""From the side of a square to its sums at every position, (M - side + 1, M - side + 1), rows y."""


def tolerance(canvas: int) -> float:
    """Share of a map's total within which two squares hold equal attention."""
    return float(8 * canvas * np.finfo(np.float64).eps)


class NoRoomError(UsageError):
    """An image has no room for a crop off its earlier ones. image: its name, as it was given."""

    def __init__(self, image: str, problem: str) -> None:
        super().__init__(f"Image {image} {problem}")
        self.image = image
        self.problem = problem


def greedy_box(
    maps: NDArray[Any],
    size: int,
    previous: NDArray[Any] | None = None,
    *,
    canvas: int | None = None,
    images: Sequence[str] | None = None,
) -> Boxes:
    """The next box of the greedy selection for each of B images, int32 (B, 4).

    The one-crop case of `greedy_boxes`, which has the parameters and the errors.
    """
    boxes: Boxes = greedy_boxes(maps, [size], previous, canvas=canvas, images=images)[0]
    return boxes


def greedy_boxes(
    maps: NDArray[Any],
    sizes: Sequence[int],
    previous: NDArray[Any] | None = None,
    *,
    canvas: int | None = None,
    images: Sequence[str] | None = None,
) -> Boxes:
    """Boxes of the greedy selection, one after another, int32 (len(sizes), B, 4).

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
    _check_sizes(sizes, canvas)
    taken = _by_image(previous, len(maps))
    boxes = np.empty((len(sizes), len(maps), 4), dtype=np.int32)
    for row, (total, sums) in enumerate(_window_sums(maps, canvas)):
        boxes[:, row] = _place(total, sums, sizes, taken[row], canvas, _name(images, row))
    return boxes


def full_box(count: int, canvas: int) -> Boxes:
    """The whole canvas, `count` times: int32 (count, 4)."""
    return np.tile(np.array([0, 0, canvas, canvas], dtype=np.int32), (count, 1))


def center_box(count: int, size: int, canvas: int) -> Boxes:
    """The square in the middle, `count` times: int32 (count, 4); an odd rest goes right and below.

    Raises UsageError for a size below 1 or above the canvas.
    """
    _check_sizes([size], canvas)
    start = (canvas - size) // 2
    return np.tile(np.array([start, start, start + size, start + size], dtype=np.int32), (count, 1))


def tile_box(count: int, number: int, grid: int, canvas: int) -> Boxes:
    """One of the grid x grid tiles of the canvas, in row-major order, `count` times.

    Returns int32 (count, 4). Raises as `check_tiles`.
    """
    check_tiles(grid, canvas)
    side = canvas // grid
    x, y = number % grid * side, number // grid * side
    return np.tile(np.array([x, y, x + side, y + side], dtype=np.int32), (count, 1))


def check_tiles(grid: int, canvas: int) -> None:
    """Raise UsageError unless grid x grid tiles of the canvas are whole pixels."""
    if canvas % grid:
        raise UsageError(
            f"An image of {canvas} px cannot be cut into {grid} x {grid} equal tiles; change "
            "image.size."
        )


def random_box(
    digests: Sequence[str], size: int, canvas: int, seed: int, previous: NDArray[Any] | None = None
) -> Boxes:
    """A square placed uniformly among the positions off the previous boxes, int32 (B, 4).

    An image's draw depends on the seed, the image's digest, the canvas, the size and the number of
    previous boxes alone, so it is the same in any batch and any order.
    previous: (k, B, 4), boxes placed before this one.

    Raises UsageError for a size below 1 or above the canvas, NoRoomError if an image has no room.
    """
    _check_sizes([size], canvas)
    taken = _by_image(previous, len(digests))
    boxes = np.empty((len(digests), 4), dtype=np.int32)
    for row, digest in enumerate(digests):
        free = np.flatnonzero(_free_positions(size, canvas, taken[row]))
        if not len(free):
            raise _no_room(size, canvas, taken[row], digest)
        draw = _generator(seed, digest, canvas, size, len(taken[row])).integers(len(free))
        boxes[row] = _box_at(int(free[draw]), size, canvas)
    return boxes


def _window_sums(maps: Floats, canvas: int) -> Iterable[tuple[float, WindowSums]]:
    """Total and window sums of each map in turn."""
    if maps.shape[-1] == canvas:
        return map(_from_pixels, maps)
    return zip(
        upsampled_sums(maps, canvas).tolist(),
        (partial(_from_patches, patches, canvas) for patches in maps),
        strict=True,
    )


def _from_pixels(pixels: Floats) -> tuple[float, WindowSums]:
    """Window sums as differences of an integral image."""
    side = len(pixels)
    integral = np.zeros((side + 1, side + 1))
    np.cumsum(pixels, axis=1, out=integral[1:, 1:])
    np.cumsum(integral[1:, 1:], axis=0, out=integral[1:, 1:])

    def sums(size: int) -> Floats:
        bands = integral[size:] - integral[:-size]
        return bands[:, size:] - bands[:, :-size]

    return float(integral[-1, -1]), sums


def _from_patches(patches: Floats, canvas: int, size: int) -> Floats:
    """Window sums of the upsampled map; every term is positive, so nothing cancels."""
    windows, transposed = _window_matrices(len(patches), canvas, size)
    sums: Floats = np.matmul(windows @ patches, transposed)
    return sums


@lru_cache(maxsize=64)
def _window_matrices(cells: int, canvas: int, size: int) -> tuple[Floats, Floats]:
    """(canvas - size + 1, cells) sums over squares along one axis, and the transpose."""
    numerators = upsampling_numerators(cells, canvas)
    before = np.concatenate([np.zeros((1, cells), np.int64), numerators.cumsum(axis=0)])
    windows = (before[size:] - before[:-size]) / (2 * canvas)
    return windows, np.ascontiguousarray(windows.T)


def _place(
    total: float, sums: WindowSums, sizes: Sequence[int], taken: list[Box], canvas: int, name: str
) -> list[Box]:
    """Boxes of all sizes for one image."""
    if not (np.isfinite(total) and total > 0):
        raise A2pipeError(f"The attention map of image {name} is empty or not finite.")
    placed: list[Box] = []
    for size in sizes:
        placed.append(_best(total, sums(size), size, [*taken, *placed], canvas, name))
    return placed


def _best(total: float, sums: Floats, size: int, taken: list[Box], canvas: int, name: str) -> Box:
    """The square of largest sum off the taken boxes."""
    for box in taken:
        sums[_intersecting(box, size)] = -np.inf
    largest = sums.max()
    if largest == -np.inf:
        raise _no_room(size, canvas, taken, name)
    first = (sums >= largest - tolerance(canvas) * total).argmax()
    return _box_at(int(first), size, canvas)


def _free_positions(size: int, canvas: int, taken: list[Box]) -> NDArray[np.bool_]:
    free = np.ones((canvas - size + 1, canvas - size + 1), dtype=np.bool_)
    for box in taken:
        free[_intersecting(box, size)] = False
    return free


def _intersecting(box: Box, size: int) -> tuple[slice, slice]:
    """Rows and columns of the top-left corners whose square shares a pixel with the box."""
    x0, y0, x1, y1 = box
    return slice(max(y0 - size + 1, 0), max(y1, 0)), slice(max(x0 - size + 1, 0), max(x1, 0))


def _box_at(position: int, size: int, canvas: int) -> Box:
    """The square at a row-major index of top-left corners."""
    y, x = divmod(position, canvas - size + 1)
    return x, y, x + size, y + size


def _by_image(previous: NDArray[Any] | None, count: int) -> list[list[Box]]:
    """(k, B, 4) boxes as a list of k boxes for each image."""
    if previous is None or len(previous) == 0:
        return [[] for _ in range(count)]
    boxes = np.asarray(previous, dtype=np.int64)
    if boxes.shape[1:] != (count, 4):
        raise ValueError(f"previous boxes have shape {boxes.shape}, expected (k, {count}, 4)")
    return [
        [(x0, y0, x1, y1) for x0, y0, x1, y1 in image.tolist()] for image in boxes.swapaxes(0, 1)
    ]


def _generator(seed: int, digest: str, canvas: int, size: int, order: int) -> np.random.Generator:
    """A generator of its own for one draw."""
    text = f"random box {order} of {size} on {canvas}, seed {seed}, image {digest}"
    entropy = int.from_bytes(sha256(text.encode()).digest(), "big")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def _check_sizes(sizes: Sequence[int], canvas: int) -> None:
    for size in sizes:
        if not 1 <= size <= canvas:
            raise UsageError(
                f"A crop of {size} px does not fit a canvas of {canvas} px: use 1 to {canvas}."
            )


def _name(images: Sequence[str] | None, row: int) -> str:
    return images[row] if images is not None else str(row)


def _no_room(size: int, canvas: int, taken: list[Box], image: str) -> NoRoomError:
    earlier = "its earlier crop" if len(taken) == 1 else f"its {len(taken)} earlier crops"
    return NoRoomError(
        image,
        f"has no room for a crop of {size} px off {earlier} on a canvas of {canvas} px: use "
        "smaller or fewer crops.",
    )
