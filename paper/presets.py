"""Offer the paper's tables as presets: what each is, and which numbers this version can make."""

from collections import Counter
from collections.abc import Callable, Iterable
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
"""The numbers of a table here are means over those of others, which they are made from."""


@dataclass(frozen=True)
class Preset:
    """A Preset is a table of the paper that can be run.

    id: such as "table-11". title: what the table is about. tables: its own number, and those of the
    tables that it is the mean of.
    """

    id: str
    title: str
    tables: tuple[int, ...]

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """Return every number of its tables, in the paper's order."""
        return tuple(number for table in self.tables for number in published(table))

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Return what of ours stands beside each number."""
        return tuple(map(target_of, self.numbers))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Return the datasets on which something is measured, in the paper's order."""
        return tuple(dict.fromkeys(name for target in self.targets for name in target.datasets))

    @property
    def places(self) -> set[PaperCell | PaperMap]:
        """Return the cells and attention maps that its numbers are made from."""
        cells = {cell for target in self.targets for cell in target.cells}
        return cells | {target.map for target in self.targets if target.map}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the metrics of its numbers, each once."""
        return tuple(dict.fromkeys(number.metric for number in self.numbers))


PRESETS = tuple(
    Preset(f"table-{table}", title, (table, *_MEAN_OF.get(table, ())))
    for table, title in _TITLES.items()
)


def preset(id: str) -> Preset:
    """Return the preset of that id.

    Raises:
        UsageError: there is none; the message names the nearest ones.
    """
    found = {each.id: each for each in PRESETS}
    if id not in found:
        hint = did_you_mean(id, found, "use table-1 to table-31.")
        raise UsageError(f"There is no preset {id!r}: {hint} `a2pipe paper list` lists them.")
    return found[id]


def available(targets: Iterable[Target]) -> list[Target]:
    """Return the targets; one that this version cannot make has no cells but the reason why."""
    heads = frozenset(HEADS.names())
    return [_checked(target, heads) for target in targets]


def _checked(target: Target, heads: frozenset[str]) -> Target:
    reasons = [why for cell in target.cells if (why := _missing(cell, heads))]
    return replace(target, how="none", cells=(), reason=reasons[0]) if reasons else target


def _missing(cell: PaperCell, heads: frozenset[str]) -> str:
    """Say what this version lacks for a cell; "" if nothing."""
    if cell.head.kind not in heads:
        return f"needs head {cell.head.kind!r}, which this version does not have"
    source = cell.source
    wanted: tuple[tuple[str, Callable[[str], object], str], ...] = (
        ("baseline", parse_baseline, source.baseline),
        ("model", resolve, source.attention),
        ("model", resolve, cell.embedding),
    )
    for what, read, name in wanted:
        if name and not _is_known(read, name):
            return f"needs {what} {name!r}, which this version does not have"
    return _misfit(cell)


def _is_known(read: Callable[[str], object], name: str) -> bool:
    try:
        read(name)
    except UsageError:
        return False
    return True


def _misfit(cell: PaperCell) -> str:
    """Say why a replacement cannot take the paper's input or head; "" if it can."""
    entry = resolve(cell.embedding)
    if cell.head.needs_text_tower and not entry.open_clip:
        return f"{cell.embedding} has no text tower"
    size = parse_baseline(cell.source.baseline).input_size if cell.source.baseline else None
    if not size or not entry.patch or size % entry.patch == 0:
        return ""
    return f"{size} px are no multiple of the {entry.patch} px patches of {cell.embedding}"


def reasons(targets: Iterable[Target]) -> dict[str, int]:
    """Count the numbers that cannot be made, by the reason why."""
    return dict(Counter(target.reason for target in targets if target.how == "none"))


def overview() -> list[dict[str, Any]]:
    """Return one row a preset, as plain values.

    id, what, datasets: what it is and what it is about. numbers, cells: how many it has; a number
    may be the mean of several cells, and a cell may have several numbers. can_run: how many of the
    numbers this version can make. cannot: the others, counted by reason.
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
