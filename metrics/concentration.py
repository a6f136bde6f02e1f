"""Measure how concentrated attention is: normalised entropy, top shares, shares of token groups.

A² (tables 19, 20, 22, 23) measures maps that are upsampled to all n = M * M pixels of the canvas
and sum to 1: its published entropies are larger than any map on a patch grid could have.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def normalized_entropy(maps: Floats) -> Floats:
    """Return -sum a ln a / ln n of each map, (B,): 1 if it is uniform, 0 if it is one cell.

    maps: (B, h, w) of n = h * w cells, each summing to 1. 0 ln 0 counts as 0.
    """
    cells = maps.reshape(len(maps), -1)
    logs = np.log(np.maximum(cells, np.finfo(np.float64).tiny))
    entropy: Floats = -np.einsum("bn,bn->b", cells, logs) / math.log(cells.shape[1])
    return entropy


def top_shares(maps: Floats, shares: Sequence[float]) -> Floats:
    """Return the attention on the largest cells of each map, (B, len(shares)), in [0, 1].

    maps: (B, h, w), each summing to 1. shares: fractions of the cells, such as 0.1; the number of
    cells is rounded to the nearest, halves up.
    """
    cells = maps.reshape(len(maps), -1)
    counts = [math.floor(share * cells.shape[1] + 0.5) for share in shares]
    held = np.empty((len(maps), len(shares)))
    # From the largest share down, so that each is looked for among the cells of the one before.
    for place in np.argsort(counts)[::-1].tolist():
        cells = _largest(cells, counts[place])
        held[:, place] = cells.sum(axis=1)
    return held


def token_shares(rows: NDArray[Any], prefix: int) -> Floats:
    """Return the CLS row's attention on CLS, registers and patches, averaged over heads, (B, 3).

    rows: (B, heads, tokens) of the full softmax. prefix: how many tokens are CLS and registers. The
    three shares add to 1.
    """
    tokens = np.asarray(rows, dtype=np.float64).mean(axis=1)
    parts = (tokens[:, :1], tokens[:, 1:prefix], tokens[:, prefix:])
    return np.stack([part.sum(axis=1) for part in parts], axis=1)


def _largest(cells: Floats, count: int) -> Floats:
    """Return the `count` largest values of each row of (B, n), in any order, (B, count)."""
    # A partition is linear in n, where sorting 50,176 pixels is not.
    rest = cells.shape[1] - count
    return cells if rest == 0 else np.partition(cells, min(rest, cells.shape[1] - 1))[:, rest:]
