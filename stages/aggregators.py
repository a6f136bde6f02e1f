"""Head aggregators make one map of the attention heads of a block (A², appendix B).

The entropy of a head is that of b, its attention over the patches divided by its patch mass, in
nats; its normalised entropy is in [0, 1], 1 for uniform b. A head that gives patches nothing has no
b: its entropy counts as infinite, so that it weighs nothing and is taken last.

Scores of heads are compared to 9 decimals, so that heads which differ by rounding alone tie; of
heads that tie, the lower index goes first.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

Floats = NDArray[np.float64]

DECIMALS = 9
SHARPEST = 1e-12
"""1/entropy counts a smaller entropy as this, so that heads of one patch share the image alone."""
WEIGHTINGS = {
    "inverse": "1/entropy",
    "complement": "1 - normalised entropy",
    "exp_normalized": "exp(-normalised entropy)",
    "exp": "exp(-entropy)",
}
DEFAULTS = {
    "mean": "",
    "max": "",
    "entropy_weighted": "inverse",
    "lowest_entropy_k": "6",
    "topk": "3",
    "topk_mass": "3",
    "head_pruned": "0.9",
    "head_pruned_registers": "0.5",
}
_COUNTED = ("lowest_entropy_k", "topk", "topk_mass")
_PRUNED = ("head_pruned", "head_pruned_registers")
_COUNT = re.compile(r"0*[1-9][0-9]{0,3}")
_THRESHOLD = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_FORMS = (
    "mean, max, entropy_weighted[:inverse|complement|exp_normalized|exp], lowest_entropy_k[:K], "
    "topk[:K], topk_mass[:K], head_pruned[:T] or head_pruned_registers[:T], "
    "with a number of heads K from 1 and a threshold T from 0 to 1"
)


@dataclass(frozen=True)
class Aggregator:
    """An Aggregator says how the heads of a block become one map.

    text: the canonical spelling; two spellings of one aggregator have the same.
    kind: a key of DEFAULTS.
    weighting: for entropy_weighted, a key of WEIGHTINGS.
    k: how many heads lowest_entropy_k, topk and topk_mass take.
    threshold: head_pruned and head_pruned_registers drop a head above it; from 0 to 1.
    """

    text: str
    kind: str
    weighting: str = ""
    k: int = 0
    threshold: float = 0.0

    @property
    def words(self) -> str:
        """Return what the aggregator does, in words: "3 heads of largest patch mass"."""
        heads = "1 head" if self.k == 1 else f"{self.k} heads"
        return {
            "mean": "mean over heads",
            "max": "max over heads",
            "entropy_weighted": f"heads weighted by {WEIGHTINGS.get(self.weighting)}",
            "lowest_entropy_k": f"{heads} of lowest entropy",
            "topk": f"{heads} largest at each patch",
            "topk_mass": f"{heads} of largest patch mass",
            "head_pruned": f"heads of normalised entropy up to {_decimal(self.threshold)}",
            "head_pruned_registers": f"heads of register mass up to {_decimal(self.threshold)}",
        }[self.kind]


def parse_aggregator(text: str) -> Aggregator:
    """Read `max`, `entropy_weighted:exp`, `lowest_entropy_k:4`, `head_pruned:0.8` and the like.

    What follows the colon may be left out: entropy_weighted is `:inverse`, lowest_entropy_k `:6`
    (A², appendix B), topk and topk_mass `:3`, head_pruned `:0.9`, head_pruned_registers `:0.5`.

    Raises:
        UsageError: the text names no aggregator, or gives it what it does not take.
    """
    kind, colon, option = text.strip().partition(":")
    given = option if colon else DEFAULTS.get(kind, "")
    if kind in ("mean", "max") and not colon:
        return Aggregator(kind, kind)
    if kind == "entropy_weighted" and given in WEIGHTINGS:
        return Aggregator(_canonical(kind, given), kind, weighting=given)
    if kind in _COUNTED and _COUNT.fullmatch(given):
        return Aggregator(_canonical(kind, str(int(given))), kind, k=int(given))
    if kind in _PRUNED and _THRESHOLD.fullmatch(given) and float(given) <= 1:
        threshold = float(given)
        return Aggregator(_canonical(kind, _decimal(threshold)), kind, threshold=threshold)
    raise UsageError(f"Head aggregation {text!r} is not understood; write {_FORMS}.")


def check_head_count(aggregator: Aggregator, heads: int, model: str) -> None:
    """Raise UsageError if the aggregator takes more heads than a block of the model has."""
    if aggregator.k > heads:
        raise UsageError(
            f"{aggregator.kind}:{aggregator.k} takes {aggregator.k} heads, but {model} has {heads} "
            f"in a block; write {aggregator.kind}:{heads} or fewer in attention.heads."
        )


def combine(
    aggregator: Aggregator, values: Floats, patches: Floats, registers: Floats
) -> NDArray[np.float64]:
    """Make one map of several heads: float64 (B, heads, N) to (B, N), not yet normalised.

    values: what is combined, (B, heads, N): the patches as they are, or each head divided by its
        patch mass.
    patches, registers: the full softmax, (B, heads, N) and (B, heads, R), by which heads are
        chosen and weighted.
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
    """Return the weight of each head, float64 (B, heads), for aggregators that sum heads.

    Weights are not negative and not all zero; only their ratios within an image mean anything.
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
    """Return the entropy in nats of each head over the patches: (B, heads, N) to (B, heads)."""
    shares = own_shares(patches)
    terms = shares * np.log(np.where(shares > 0, shares, 1.0))
    return np.where(patches.any(axis=-1), -terms.sum(axis=-1), np.inf)


def own_shares(patches: Floats) -> Floats:
    """Divide each head, (B, heads, N), by its own patch mass; a head without any stays zero."""
    mass = patches.sum(axis=-1, keepdims=True)
    return np.asarray(patches / np.where(mass == 0, 1.0, mass))


def _canonical(kind: str, option: str) -> str:
    return kind if option == DEFAULTS[kind] else f"{kind}:{option}"


def _decimal(threshold: float) -> str:
    """Return the shortest decimal that reads back equal, never with an exponent."""
    return np.format_float_positional(threshold, trim="-")


def _entropy_weights(weighting: str, entropy: Floats, normalized: Floats) -> Floats:
    """Return weights that fall with a head's entropy, by a key of WEIGHTINGS."""
    if weighting == "inverse":
        return np.asarray(1 / np.maximum(entropy, SHARPEST))
    if weighting == "exp_normalized":
        return np.asarray(np.exp(-normalized))
    if weighting == "exp":
        return np.asarray(np.exp(-entropy))
    weights = np.maximum(1 - normalized, 0)
    return np.where(weights.any(axis=1, keepdims=True), weights, 1.0)


def _least(scores: Floats, k: int) -> Floats:
    """Return 1 for the k heads of smallest score, 0 for the others."""
    # Rounded, as scores that are equal in exact numbers differ in their last bits, and sorted
    # stably, so that the lower index wins among equals.
    order = np.argsort(np.round(scores, DECIMALS), axis=1, kind="stable")
    weights = np.zeros_like(scores)
    np.put_along_axis(weights, order[:, :k], 1.0, axis=1)
    return weights


def _up_to(scores: Floats, threshold: float) -> Floats:
    """Return 1 for the heads scored up to the threshold; if there is none, for the lowest score."""
    passing = np.round(scores, DECIMALS) <= threshold
    return np.where(passing.any(axis=1, keepdims=True), passing, _least(scores, 1))
