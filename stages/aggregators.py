"""Head aggregators by name: how they are written in an experiment, and what they are called."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError

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
    """How the heads of a block become one map.

    text: canonical; two spellings of one aggregator have the same. kind: a key of DEFAULTS.
    weighting: of entropy_weighted, a key of WEIGHTINGS. k: heads taken by lowest_entropy_k, topk
    and topk_mass. threshold: above which head_pruned and head_pruned_registers drop a head.
    """

    text: str
    kind: str
    weighting: str = ""
    k: int = 0
    threshold: float = 0.0

    @property
    def words(self) -> str:
        """What it does, for people: "3 heads of largest patch mass"."""
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
    """Raises UsageError if the aggregator takes more heads than the model has."""
    if aggregator.k > heads:
        raise UsageError(
            f"{aggregator.kind}:{aggregator.k} takes {aggregator.k} heads, but {model} has {heads} "
            f"in a block; write {aggregator.kind}:{heads} or fewer in attention.heads."
        )


def _canonical(kind: str, option: str) -> str:
    return kind if option == DEFAULTS[kind] else f"{kind}:{option}"


def _decimal(threshold: float) -> str:
    """The shortest decimal that reads back equal, never with an exponent."""
    return np.format_float_positional(threshold, trim="-")
