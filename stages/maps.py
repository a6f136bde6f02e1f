"""Turn attention rows into maps: head aggregation, the patch grid, smoothing, bilinear upsampling.

All of it is linear algebra on small float64 arrays, computed when needed and never stored. A row
that holds NaN, or no attention on any patch, gives a map of NaN, on which no box can be placed.
"""

from functools import lru_cache
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError, UsageError
from .aggregators import check_head_count, combine, own_shares, parse_aggregator

Floats = NDArray[np.float64]

READINGS = ("slice", "patch-softmax")


def patch_maps(
    rows: NDArray[Any], prefix: int, *, heads: str = "mean", reading: str = "slice"
) -> Floats:
    """Return attention over the patch grid: float64 (B, g, g), each map summing to 1.

    rows: (B, heads, tokens), CLS rows of the full softmax; tokens are CLS, registers, then g * g
        patches in row-major order.
    prefix: how many tokens come before the patches.
    heads: how heads become one map, as `parse_aggregator` reads it; "mean" is the paper's (A²,
        appendix B).
    reading: "slice" aggregates the heads as they are, so that a head weighs as much as the
        attention it gives to patches; "patch-softmax" first renormalises every head over them.

    A head without attention on any patch adds nothing to the map of its image.

    Raises UsageError for an unknown name or more heads than there are, A2pipeError if the patches
    do not make a square.
    """
    aggregator = parse_aggregator(heads)
    _check_reading(reading)
    tokens = np.asarray(rows, dtype=np.float64, order="C")
    patches, registers = tokens[:, :, prefix:], tokens[:, :, 1:prefix]
    check_head_count(aggregator, tokens.shape[1], "this model")
    values = patches if reading == "slice" else own_shares(patches)
    return normalize(square(combine(aggregator, values, patches, registers)))


def square(values: Floats) -> Floats:
    """Lay values of patches, (B, N), out on their grid, (B, g, g), row by row.

    Raises A2pipeError unless the patches make a square.
    """
    side = isqrt(values.shape[-1])
    if side == 0 or side * side != values.shape[-1]:
        raise A2pipeError(
            f"The {values.shape[-1]} patches of an image are no square grid: check the model's "
            "number of prefix tokens."
        )
    return values.reshape(-1, side, side)


def normalize(maps: Floats) -> Floats:
    """Scale maps (B, h, w) so that each sums to 1; a map without any attention becomes NaN."""
    return _divide(maps, _sums(maps)[:, None, None])


def smooth(maps: Floats, side: int) -> Floats:
    """Replace each cell by the mean over its side x side neighbours: (B, g, g) to (B, g, g).

    Each map sums to 1 again. At the edge the mean is over the cells that exist. A side of 1 changes
    nothing. Raises UsageError unless side is odd and positive.
    """
    if side < 1 or side % 2 == 0:
        raise UsageError(f"Cannot smooth over {side} cells: the side is an odd number, such as 3.")
    if side == 1:
        return maps
    means = _mean_filter(maps.shape[-1], side)
    return normalize(means @ maps @ means.T)


def upsample(maps: Floats, size: int) -> Floats:
    """Upsample maps bilinearly to pixels: (B, g, g) to (B, size, size), each map summing to 1.

    Centres are at half pixels and edges are clamped, as in torch's interpolate with
    align_corners=False.
    """
    weights = upsampling_matrix(maps.shape[-1], size)
    scaled = _divide(maps, upsampled_sums(maps, size)[:, None, None])
    pixels: Floats = np.matmul(weights @ scaled, np.ascontiguousarray(weights.T))
    return pixels


def upsampled_sums(maps: Floats, size: int) -> Floats:
    """Return the sum that each map would have after upsampling to size x size pixels: (B,)."""
    columns = upsampling_matrix(maps.shape[-1], size).sum(axis=0)
    return _sums(maps * np.outer(columns, columns))


@lru_cache(maxsize=64)
def upsampling_matrix(cells: int, size: int) -> Floats:
    """Return the (size, cells) matrix U of bilinear upsampling, `U @ map @ U.T`; read-only."""
    return _read_only(upsampling_numerators(cells, size) / (2 * size))


def upsampling_numerators(cells: int, size: int) -> NDArray[np.int64]:
    """Return the weights of `upsampling_matrix` as integers over 2 * size: int64 (size, cells).

    Pixel i looks at cell ((i + 1/2) * cells / size) - 1/2, a fraction with that denominator.
    """
    unit = 2 * size
    position = np.maximum((2 * np.arange(size) + 1) * cells - size, 0)
    lower, offset = position // unit, position % unit
    numerators = np.zeros((size, cells), dtype=np.int64)
    pixels = np.arange(size)
    numerators[pixels, lower] = unit - offset
    numerators[pixels, np.minimum(lower + 1, cells - 1)] += offset
    return numerators


@lru_cache(maxsize=16)
def _mean_filter(cells: int, side: int) -> Floats:
    """Return the (cells, cells) matrix that averages cells with neighbours along one axis."""
    near = np.abs(np.subtract.outer(np.arange(cells), np.arange(cells))) <= side // 2
    return _read_only(near / near.sum(axis=1, keepdims=True))


def _sums(maps: Floats) -> Floats:
    """Return the sum of each map, (B,)."""
    # Over one contiguous axis, so that the order of additions does not depend on the batch.
    return np.asarray(maps.reshape(len(maps), -1).sum(axis=1))


def _check_reading(reading: str) -> None:
    if reading not in READINGS:
        names = " or ".join(map(repr, READINGS))
        raise UsageError(f"Unknown reading of attention {reading!r}: use {names}.")


def _divide(values: Floats, by: Floats) -> Floats:
    """Divide; 0 / 0 gives NaN without a warning."""
    with np.errstate(invalid="ignore"):
        return values / by


def _read_only(matrix: Floats) -> Floats:
    matrix.flags.writeable = False
    return matrix
