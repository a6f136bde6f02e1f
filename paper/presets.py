"""The paper's tables as presets: what each is, and which of its numbers this version can make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..errors import UsageError
from ..heads.registry import HEADS
from ..models.zoo.names import resolve
from ..pipeline.experiment.baselines import parse_baseline
from ..registry import did_you_mean
from .cells import PaperCell, PaperMap, Target, target_of
from .published import Number, published

_TITLES = {
    1: "main results, worst group",
    2: "main results, test accuracy",
    3: "localisation of 22 models",
    4: "MetaShift Animals, counts",
    5: "number of crops (figure 16)",
    6: "Spawrious, test accuracy",
    7: "Spawrious, worst group",
    8: "Waterbirds",
    9: "MetaShift Cat vs Dog",
    10: "MetaShift Animals",
    11: "attention x embedding, Spawrious O2O (figure 6)",
    12: "attention x embedding, Spawrious M2M (figure 6)",
    13: "attention x embedding, Waterbirds (figure 6)",
    14: "attention x embedding, Cat vs Dog (figure 6)",
    15: "attention x embedding, Animals (figure 6)",
    16: "CelebA with the adapter",
    17: "CelebA with the adapter, by group",
    18: "Waterbirds by distance from the centre",
    19: "concentration, ImageNet",
    20: "concentration, Waterbirds",
    21: "head aggregators, test accuracy",
    22: "head aggregators, concentration, Spawrious O2O",
    23: "head aggregators, concentration, ImageNet",
    24: "DINOv3 attention, mean of five (figure 20)",
    25: "DINOv3 attention, Animals (figure 21)",
    26: "DINOv3 attention, Cat vs Dog (figure 21)",
    27: "DINOv3 attention, Spawrious O2O (figure 21)",
    28: "DINOv3 attention, Spawrious M2M (figure 21)",
    29: "DINOv3 attention, Waterbirds (figure 21)",
    30: "A2_ZS by crop selector (figures 7, 22)",
    31: "settings of TTR",
}
_MEAN_OF = {24: (25, 26, 27, 28, 29)}
"""Tables whose numbers are means over those of others, which they are made from."""


@dataclass(frozen=True)
class Preset:
    """One table of the paper. tables: itself and those it is the mean of."""

    id: str
    title: str
    tables: tuple[int, ...]

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """Every number of its tables, in the paper's order."""
        return tuple(number for table in self.tables for number in published(table))

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """What of ours stands beside each number."""
        return tuple(map(target_of, self.numbers))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Those something is measured on, in the paper's order."""
        return tuple(dict.fromkeys(name for target in self.targets for name in target.datasets))

    @property
    def places(self) -> set[PaperCell | PaperMap]:
        """The cells and attention maps that its numbers are made from."""
        cells = {cell for target in self.targets for cell in target.cells}
        return cells | {target.map for target in self.targets if target.map}

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(number.metric for number in self.numbers))


PRESETS = tuple(
    Preset(f"table-{table}", title, (table, *_MEAN_OF.get(table, ())))
    for table, title in _TITLES.items()
)


def preset(id: str) -> Preset:
    """The preset of that id. Raises UsageError, with the nearest ones, if there is none."""
    found = {each.id: each for each in PRESETS}
    if id not in found:
        hint = did_you_mean(id, found, "use table-1 to table-31.")
        raise UsageError(f"There is no preset {id!r}: {hint} `a2pipe paper list` lists them.")
    return found[id]


def available(targets: Iterable[Target]) -> list[Target]:
    """The targets, those that this version cannot make turned into their reason."""
    heads = frozenset(HEADS.names())
    return [_checked(target, heads) for target in targets]


def _checked(target: Target, heads: frozenset[str]) -> Target:
    reasons = [why for cell in target.cells if (why := _missing(cell, heads))]
    return replace(target, how="none", cells=(), reason=reasons[0]) if reasons else target


def _missing(cell: PaperCell, heads: frozenset[str]) -> str:
    """What this version lacks for a cell; "" for nothing."""
    if cell.head.kind not in heads:
        return f"needs head {cell.head.kind!r}, which this version does not have"
    if cell.source.baseline and not _parsable(cell.source.baseline):
        return f"needs baseline {cell.source.baseline!r}, which this version does not have"
    no_model = next(filter(None, map(_no_model, (cell.source.attention, cell.embedding))), "")
    return no_model or _misfit(cell)


def _parsable(baseline: str) -> bool:
    try:
        parse_baseline(baseline)
    except UsageError:
        return False
    return True


def _misfit(cell: PaperCell) -> str:
    """Why a stand-in cannot take the paper's input or head; "" if it can."""
    entry = resolve(cell.embedding)
    if cell.head.needs_text_tower and not entry.open_clip:
        return f"{cell.embedding} has no text tower"
    size = parse_baseline(cell.source.baseline).input_size if cell.source.baseline else None
    if not size or not entry.patch or size % entry.patch == 0:
        return ""
    return f"{size} px are no multiple of the {entry.patch} px patches of {cell.embedding}"


def _no_model(name: str) -> str:
    try:
        if name:
            resolve(name)
    except UsageError:
        return f"needs model {name!r}, which this version does not have"
    return ""


def reasons(targets: Iterable[Target]) -> dict[str, int]:
    """Why numbers cannot be made -> how many."""
    return dict(Counter(target.reason for target in targets if target.how == "none"))


def overview() -> list[dict[str, Any]]:
    """One line a preset: what it is, on what, its cells and numbers, how many of these can be made.

    A number may be the mean of several cells, and a cell may have several numbers.
    """
    lines = []
    for each in PRESETS:
        targets = available(each.targets)
        lacking = reasons(targets)
        lines.append(
            {
                "id": each.id,
                "what": each.title,
                "datasets": list(each.datasets),
                "numbers": len(targets),
                "cells": len(each.places),
                "can_run": len(targets) - sum(lacking.values()),
                "cannot": lacking,
            }
        )
    return lines
