"""Crops around the peak of attention as a script finds them: upsampled maps, an integral image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad


def most_attended(rows: Tensor, prefix: int, canvas: int, size: int) -> Tensor:
    """Upper left corners, int (B, 2) as x, y, of the squares with most attention.

    rows: CLS rows, (B, heads, tokens). canvas, size: sides in pixels of the image and the square.
    """
    patches = rows.double().mean(1)[:, prefix:]
    side = round(patches.shape[1] ** 0.5)
    maps = interpolate(patches.view(-1, 1, side, side), size=(canvas, canvas), mode="bilinear")
    sums = pad(maps[:, 0].cumsum(1).cumsum(2), (1, 0, 1, 0))
    squares = (sums[:, size:, size:] - sums[:, :-size, size:] - sums[:, size:, :-size]) + sums[
        :, :-size, :-size
    ]
    best = squares.flatten(1).argmax(1)
    return torch.stack((best % squares.shape[2], best // squares.shape[2]), 1)


def cut(images: Tensor, corners: Tensor, size: int, to: int) -> Tensor:
    """The squares of (B, 3, H, W), resized to (B, 3, to, to)."""
    crops = torch.stack(
        [
            image[:, y : y + size, x : x + size]
            for image, (x, y) in zip(images, corners.tolist(), strict=True)
        ]
    )
    return interpolate(crops, size=(to, to), mode="bilinear", antialias=True)
