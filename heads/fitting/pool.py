"""Choose the pool of samples that DFR balances, check it, and note its weaknesses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .samples import Floats, Indices, SamplesError

HANDFUL = 10
"""A balanced set with fewer samples of each group than this is noted as a weakness."""


@dataclass(frozen=True)
class GroupedSamples:
    """GroupedSamples are samples with classes and groups.

    X: features (N, d). labels: int64 (N,), class indices from 0 to classes - 1. groups: int64 (N,),
    group indices, -1 for none. classes: how many classes there are.
    """

    X: Floats
    labels: Indices
    groups: Indices
    classes: int


def pool_and_train(
    validation: NDArray[np.bool_] | None, n: int, variant: str
) -> tuple[Indices, Indices]:
    """Return the rows of DFR's pool and of the training samples.

    validation: bool (n,), or None. variant: "val" takes the validation samples as the pool, "train"
    the training samples. Without a mask all n samples are the pool, and for "train" they are the
    training samples too.

    Raises SamplesError if the pool is empty.
    """
    if validation is None:
        every = np.arange(n)
        return every, every if variant == "train" else every[:0]
    train = np.flatnonzero(~validation)
    pool = np.flatnonzero(validation) if variant == "val" else train
    if not len(pool):
        which, other = ("validation", "train") if variant == "val" else ("training", "val")
        raise SamplesError(
            f"DFR with variant {variant!r} draws from the {which} samples, and there are none: "
            f"use variant {other!r}."
        )
    return pool, train


def check_pool(samples: GroupedSamples, pool: Indices, names: NDArray[Any]) -> None:
    """Raise SamplesError if a sample of the pool has no group, or a class no sample in the pool.

    pool: rows of the samples. names: of the classes, (K,), for the error.
    """
    groupless = int((samples.groups[pool] < 0).sum())
    if groupless:
        raise SamplesError(
            f"{groupless} of the {len(pool)} samples of DFR's pool have no group: name one for "
            "each, or balance the classes with group_by 'class'."
        )
    missing = np.setdiff1d(np.arange(samples.classes), samples.labels[pool])
    if len(missing):
        raise SamplesError(
            f"DFR's pool of {len(pool)} samples has none of class {first_five(names[missing])}: "
            "give it some, or use the other variant."
        )


def note_absent_groups(samples: GroupedSamples, pool: Indices) -> list[str]:
    """Return a list of one sentence if the pool lacks groups that other samples have, else []."""
    present = np.unique(samples.groups[pool])
    missing = np.setdiff1d(samples.groups[samples.groups >= 0], present)
    if not len(missing):
        return []
    return [
        f"DFR's pool of {len(pool)} samples has none of group {first_five(missing)}, which other "
        f"samples have: only the {len(present)} groups it has are balanced."
    ]


def note_unscored_groups(
    samples: GroupedSamples, pool: Indices, scored: Indices, rest: Indices
) -> list[str]:
    """Return one sentence for each part of the split pool that lacks groups of the pool.

    scored: rows that score C in tuning. rest: rows that are fitted in tuning.
    """
    count = len(np.unique(samples.groups[pool]))
    parts = {"scored": scored, "fitted": rest}
    lacking = {name: count - len(np.unique(samples.groups[rows])) for name, rows in parts.items()}
    return [
        f"C was chosen without {missing} of DFR's {count} groups: the {len(parts[name])} samples "
        f"{name} in tuning have none of them."
        for name, missing in lacking.items()
        if missing
    ]


def note_small_draw(size: int, groups: Indices, what: str) -> list[str]:
    """Return a list of one sentence if a balanced draw has few samples of each group, else [].

    size: samples of each group in the draw. groups: group indices (n,) of the samples that were
    drawn from. what: what DFR does with the draw, as the sentence says it.
    """
    if size >= HANDFUL:
        return []
    present, counts = np.unique(groups, return_counts=True)
    return [
        f"DFR {what} {size} samples of each of {len(present)} groups ({size * len(present)} of "
        f"{len(groups)}), because group {present[counts.argmin()]} has no more: merge small "
        "groups, or balance the classes with group_by 'class'."
    ]


def first_five(values: NDArray[Any]) -> str:
    """Return up to five of the values as text, and how many more there are."""
    shown = ", ".join(str(value) for value in values[:5])
    return shown if len(values) <= 5 else f"{shown} and {len(values) - 5} more"
