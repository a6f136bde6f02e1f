"""Heads combined into one map (A², appendix B), for a whole batch at once.

The entropy of a head is that of b, its attention over the patches divided by its patch mass, in
nats; its normalised entropy is in [0, 1], 1 for uniform b. A head that gives patches nothing has no
b: its entropy counts as infinite, so that it weighs nothing and is taken last.

Scores of heads are compared to 9 decimals, so that heads which differ by rounding alone tie; of
heads that tie, the lower index goes first.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..aggregators import Aggregator

Floats = NDArray[np.float64]

DECIMALS = 9
SHARPEST = 1e-12
"""Least entropy that 1/entropy tells from none: heads of one patch share the image alone."""


def combine(
    aggregator: Aggregator, values: Floats, patches: Floats, registers: Floats
) -> NDArray[np.float64]:
    """One map of several heads, (B, heads, N) -> (B, N), not yet normalised.

    values: what is combined, the patches as they are or each head divided by its patch mass.
    patches, registers: full softmax, (B, heads, N) and (B, heads, R); heads are chosen by these.
    """
    if aggregator.kind == "mean":
        return np.asarray(values.mean(axis=1))
    if aggregator.kind == "max":
        return np.asarray(values.max(axis=1))
    if aggregator.kind == "topk":
        return np.asarray(np.sort(values, axis=1)[:, -aggregator.k :].mean(axis=1))
    weights = head_weights(aggregator, patches, registers)
    return np.asarray((values * weights[:, :, None]).sum(axis=1))


def head_weights(aggregator: Aggregator, patches: Floats, registers: Floats) -> Floats:
    """What each head counts by, (B, heads), for the aggregators that are weighted sums of heads.

    Not negative and not all zero; only the ratios within an image mean anything.
    """
    if aggregator.kind == "topk_mass":
        return _least(-patches.sum(axis=-1), aggregator.k)
    if aggregator.kind == "head_pruned_registers":
        mass = np.where(patches.any(axis=-1), registers.sum(axis=-1), np.inf)
        return _up_to(mass, aggregator.threshold)
    entropy = head_entropy(patches)
    normalized = entropy / math.log(max(patches.shape[-1], 2))
    if aggregator.kind == "lowest_entropy_k":
        return _least(entropy, aggregator.k)
    if aggregator.kind == "head_pruned":
        return _up_to(normalized, aggregator.threshold)
    return _entropy_weights(aggregator.weighting, entropy, normalized)


def head_entropy(patches: Floats) -> Floats:
    """Entropy in nats of each head over the patches, (B, heads, N) -> (B, heads)."""
    shares = own_shares(patches)
    terms = shares * np.log(np.where(shares > 0, shares, 1.0))
    return np.where(patches.any(axis=-1), -terms.sum(axis=-1), np.inf)


def own_shares(patches: Floats) -> Floats:
    """Each head divided by its own patch mass; a head without any stays at zero."""
    mass = patches.sum(axis=-1, keepdims=True)
    return np.asarray(patches / np.where(mass == 0, 1.0, mass))


def _entropy_weights(weighting: str, entropy: Floats, normalized: Floats) -> Floats:
    if weighting == "inverse":
        return np.asarray(1 / np.maximum(entropy, SHARPEST))
    if weighting == "exp_normalized":
        return np.asarray(np.exp(-normalized))
    if weighting == "exp":
        return np.asarray(np.exp(-entropy))
    weights = np.maximum(1 - normalized, 0)
    return np.where(weights.any(axis=1, keepdims=True), weights, 1.0)


def _least(scores: Floats, k: int) -> Floats:
    """1 for the k heads of smallest score, 0 for the others."""
    order = np.argsort(np.round(scores, DECIMALS), axis=1, kind="stable")
    weights = np.zeros_like(scores)
    np.put_along_axis(weights, order[:, :k], 1.0, axis=1)
    return weights


def _up_to(scores: Floats, threshold: float) -> Floats:
    """1 for the heads whose score is not above the threshold; if all are, for the nearest to it."""
    passing = np.round(scores, DECIMALS) <= threshold
    return np.where(passing.any(axis=1, keepdims=True), passing, _least(scores, 1))
