"""Masked canvases have some of their patches hidden: the masking probe (LaSt-ViT, figure 6).

Such a "box" is the whole canvas, and what is stored of it is not a place but its mask: a model then
embeds the canvas with the masked patches filled. The probe asks for many of them, most with a few
patches more than another, and each has an address of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from math import isqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...cache.layout import ArrayField
from ...errors import UsageError
from ...models.preprocessing import crop_resize
from ..attention import MapSpec
from ..geometry import Canvas
from . import squares
from .box import Boxes, BoxSpec, NamedBoxes

ORDERS = ("highest", "lowest")
"""Patches with the highest, or the lowest, values of a map are masked first."""
FILLS = ("image-mean", "blur")
_FILL = rf"{'|'.join(FILLS)}|[\d.e+-]+,[\d.e+-]+,[\d.e+-]+"
_BAD = 255


@dataclass(frozen=True)
class MaskedBox(BoxSpec):
    """A MaskedBox is the canvas with the first `count` patches of an order masked.

    Patches are ranked by the map over the grid, each once; of equal ones that of the lower index,
    row by row, comes first in either order.

    order: one of ORDERS. count: from 1 to one less than there are patches.
    fill: what stands on a masked patch, see `filled`.
    """

    option: ClassVar[str] = rf"(highest|lowest):[1-9]\d*:({_FILL})"
    needs_map: ClassVar[bool] = True

    map: MapSpec
    order: str
    count: int
    fill: str
    canvas: int
    kind: str = "masked"

    @classmethod
    def named(
        cls, option: str, canvas: Canvas, sizes: tuple[int, ...], placed_by: MapSpec | None
    ) -> NamedBoxes:
        del sizes
        assert placed_by is not None, "a kind that needs a map is given one"
        order, count, fill = option.split(":")
        box = cls(placed_by, order, int(count), fill, canvas.side)
        return NamedBoxes(f"masked:{option}", box.what, (box,))

    def place(
        self, images: Sequence[str], previous: Boxes | None, maps: NDArray[np.float64] | None
    ) -> Boxes:
        """Return the masks of B images: uint8 (B, N), 1 where a patch is masked."""
        del previous
        assert maps is not None, "a kind that needs a map is given one"
        flat = maps.reshape(len(images), -1)
        # Stable, so that of equal patches the lower index comes first, in both orders.
        ranked = np.argsort(-flat if self.order == "highest" else flat, axis=1, kind="stable")
        return _masks(ranked, self.count)

    def crops(self, canvases: Any, boxes: Boxes, size: int) -> Any:
        return _masked(canvases, boxes, self.fill, size)

    def array(self, models: Mapping[str, Any]) -> ArrayField:
        """Return what is stored of an image: the mask, uint8 (N,), 255 where the image is bad."""
        source = self.map.attention
        patches = models[source.model.name].patches(source.input_size)
        return ArrayField("mask", (patches,), "uint8", _BAD)

    @property
    def what(self) -> str:
        """Return how the canvas is masked, in words and without the map."""
        return f"{self.count} patches masked, {self.order} first, filled with {self.fill}"

    @property
    def name(self) -> str:
        return f"{self.what}, by {self.map.attention.name}{self.map.suffix}"


@dataclass(frozen=True)
class RandomlyMaskedBox(BoxSpec):
    """A RandomlyMaskedBox is the canvas with `count` of its grid x grid patches masked at random.

    The order of an image's patches depends on the seed, the grid and the image's digest alone, so
    that more patches hold all that fewer do. With `count` = grid² all are masked, in any order.

    fill: what stands on a masked patch, see `filled`.
    """

    option: ClassVar[str] = rf"[1-9]\d*:[1-9]\d*:\d+:({_FILL})"

    count: int
    grid: int
    seed: int
    fill: str
    canvas: int
    geometry: str = "squash"
    kind: str = "masked-random"

    @classmethod
    def named(cls, option: str, canvas: Canvas, *_: Any) -> NamedBoxes:
        count, grid, seed, fill = option.split(":")
        box = cls(int(count), int(grid), int(seed), fill, canvas.side, canvas.geometry)
        return NamedBoxes(f"masked-random:{option}", box.name, (box,))

    def place(self, images: Sequence[str], *_: Any) -> Boxes:
        """Return the masks of B images: uint8 (B, N), 1 where a patch is masked."""
        return _masks(np.stack([self._order(image) for image in images]), self.count)

    def crops(self, canvases: Any, boxes: Boxes, size: int) -> Any:
        return _masked(canvases, boxes, self.fill, size)

    def array(self, models: Mapping[str, object]) -> ArrayField:
        """Return what is stored of an image: the mask, uint8 (N,), 255 where the image is bad."""
        del models
        return ArrayField("mask", (self.grid**2,), "uint8", _BAD)

    @property
    def name(self) -> str:
        if self.count == self.grid**2:
            return f"all {self.count} patches masked, filled with {self.fill}"
        return f"{self.count} patches masked at random, seed {self.seed}, filled with {self.fill}"

    def _order(self, image: str) -> NDArray[np.int64]:
        text = f"masking order of {self.grid} x {self.grid}, seed {self.seed}, image {image}"
        entropy = int.from_bytes(sha256(text.encode()).digest(), "big")
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
        return generator.permutation(self.grid**2)


def _masks(ranked: NDArray[np.int64], count: int) -> Boxes:
    """Return masks (B, N) of the first `count` patches of each row of indices (B, N)."""
    masks = np.zeros(ranked.shape, np.uint8)
    np.put_along_axis(masks, ranked[:, :count], 1, axis=1)
    return masks  # type: ignore[return-value]


def _masked(canvases: Any, masks: Boxes, fill: str, size: int) -> Any:
    """Return canvases (B, 3, S, S) with masked patches filled, resized to size x size pixels."""
    import torch

    side, grid = canvases.shape[-1], isqrt(masks.shape[1])
    check_grid(side, grid)
    hidden = torch.from_numpy(np.asarray(masks == 1)).to(canvases.device)
    cells = hidden.view(-1, 1, grid, grid)
    pixels = cells.repeat_interleave(side // grid, 2).repeat_interleave(side // grid, 3)
    shown = torch.where(pixels, filled(canvases, fill, side // grid), canvases)
    return crop_resize(shown, squares.repeated((0, 0, side, side), len(masks)), size)


def filled(canvases: Any, fill: str, patch: int) -> Any:
    """Return what stands where canvases (B, 3, S, S) in [0, 1] are masked, of a shape that fits.

    fill: a colour, "R,G,B" in [0, 1]; or "image-mean", the mean colour of each image; or "blur",
    the image after a Gaussian with a standard deviation of one patch, whose edges are continued.
    patch: side of a patch in pixels.
    """
    import torch

    from ..device_resize import exact

    if fill not in FILLS:
        colour = [float(part) for part in fill.split(",")]
        return torch.tensor(colour, device=canvases.device).view(1, 3, 1, 1)
    # Whole levels, whose sums float32 and integers hold exactly: no bit depends on the order of
    # summation, and so none on the batch or the device.
    levels = (canvases * 255).round()
    if fill == "image-mean":
        sums = levels.to(torch.int64).sum(dim=(2, 3), keepdim=True)
        return sums.float() / (255 * canvases.shape[2] * canvases.shape[3])
    weights = torch.from_numpy(_gaussian(canvases.shape[-1], patch)).to(canvases.device)
    with exact(canvases.device):
        return _whole(weights @ _whole(levels @ weights.T)) / 255


def _whole(sums: Any) -> Any:
    """Divide sums of weighted levels by the sum of the weights, 2^16, rounding halves up."""
    return (sums / (1 << 16) + 0.5).floor()


@lru_cache
def _gaussian(side: int, patch: int) -> NDArray[np.float32]:
    """Return the weight of each pixel of an axis in each blurred one: whole, of sum 2^16.

    float32 (side, side). Pixels beyond an edge are like those on it.
    """
    reach = 3 * patch
    heights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / patch) ** 2)
    sums = np.rint(np.cumsum(heights) / heights.sum() * (1 << 16))
    steps = np.diff(sums, prepend=0)
    weights = np.zeros((side, side), np.float32)
    for row in range(side):
        at = np.clip(np.arange(row - reach, row + reach + 1), 0, side - 1)
        np.add.at(weights[row], at, steps)
    return weights


def check_grid(side: int, grid: int) -> None:
    """Raise UsageError unless grid x grid patches divide a canvas into whole pixels."""
    if side % grid:
        raise UsageError(
            f"{grid} x {grid} patches do not divide an image of {side} px: choose an image.size "
            f"that is a multiple of {grid}."
        )
