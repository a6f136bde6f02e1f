"""How concentrated attention is: normalised entropy, top shares, shares of the token groups.

On the normalised map over all n = M * M pixels of the canvas, where the published values of A²
(tables 19, 20, 22, 23) are possible; on a patch grid they are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def normalized_entropy(maps: Floats) -> Floats:
    """-sum a ln a / ln n for each map, (B, h, w) -> (B,): 1 is uniform, 0 is one cell.

    Maps sum to 1; 0 ln 0 counts as 0.
    """
    cells = maps.reshape(len(maps), -1)
    logs = np.log(np.maximum(cells, np.finfo(np.float64).tiny))
    entropy: Floats = -np.einsum("bn,bn->b", cells, logs) / math.log(cells.shape[1])
    return entropy


def top_shares(maps: Floats, shares: Sequence[float]) -> Floats:
    """Attention on the largest cells of each map, (B, h, w) -> (B, len(shares)).

    shares: fractions of the cells, such as 0.1; their number is rounded to the nearest, halves up.
    """
    cells = maps.reshape(len(maps), -1)
    counts = [math.floor(share * cells.shape[1] + 0.5) for share in shares]
    held = np.empty((len(maps), len(shares)))
    for place in np.argsort(counts)[::-1].tolist():  # each among those of the next larger share
        cells = _largest(cells, counts[place])
        held[:, place] = cells.sum(axis=1)
    return held


def token_shares(rows: NDArray[Any], prefix: int) -> Floats:
    """Attention of the CLS row on CLS, registers and patches, mean over heads, (B, 3).

    rows: (B, heads, tokens) of the full softmax; the three shares add to 1.
    """
    tokens = np.asarray(rows, dtype=np.float64).mean(axis=1)
    parts = (tokens[:, :1], tokens[:, 1:prefix], tokens[:, prefix:])
    return np.stack([part.sum(axis=1) for part in parts], axis=1)


def _largest(cells: Floats, count: int) -> Floats:
    """The `count` largest values of each row, in any order, (B, n) -> (B, count)."""
    rest = cells.shape[1] - count
    return cells if rest == 0 else np.partition(cells, min(rest, cells.shape[1] - 1))[:, rest:]
