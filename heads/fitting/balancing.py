"""Splitting samples for tuning, and drawing as many of each group: functions of group indices.

All return positions in the arrays they are given, and draw from the generator they are given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .samples import Indices, SamplesError

ATTEMPTS = 20
"""A balanced draw that misses a class is made anew until it is the last of so many."""


def halve(n: int, generator: np.random.Generator) -> tuple[Indices, Indices]:
    """A random n // 2 of n samples, and the others."""
    shuffled = generator.permutation(n)
    return shuffled[: n // 2], shuffled[n // 2 :]


def split_by_group(
    groups: Indices, share: float, generator: np.random.Generator
) -> tuple[Indices, Indices]:
    """A random share, 0 to 1, of each group, and the others; of every group one at least stays.

    The share of a group is rounded to the nearest number of samples, so a tiny group gives none.
    """
    taken, others = [], []
    for group in np.unique(groups):
        members = generator.permutation(np.flatnonzero(groups == group))
        count = min(int(share * len(members) + 0.5), len(members) - 1)
        taken.append(members[:count])
        others.append(members[count:])
    return np.concatenate(taken), np.concatenate(others)


def balanced_draw(groups: Indices, generator: np.random.Generator) -> Indices:
    """As many random samples of each group as the smallest has, group after group."""
    present, sizes = np.unique(groups, return_counts=True)
    members = [np.flatnonzero(groups == group) for group in present]
    return np.concatenate([generator.permutation(rows)[: sizes.min()] for rows in members])


def complete_draw(groups: Indices, labels: Indices, generator: np.random.Generator) -> Indices:
    """A balanced draw that holds every class of `labels`, made anew where it does not.

    Raises:
        SamplesError: none of ATTEMPTS draws does, which happens only where groups mix classes.
    """
    classes = len(np.unique(labels))
    for _ in range(ATTEMPTS):
        rows = balanced_draw(groups, generator)
        if len(np.unique(labels[rows])) == classes:
            return rows
    raise SamplesError(
        f"None of {ATTEMPTS} balanced draws of {len(rows)} samples held all {classes} classes: "
        "let the groups tell the classes apart, or balance the classes."
    )


def smallest_group(groups: Indices) -> int:
    """Samples of the smallest group present."""
    return int(np.unique(groups, return_counts=True)[1].min())


def worst_group_accuracy(correct: NDArray[np.bool_], groups: Indices) -> float:
    """The smallest share of correct samples in any group present, in [0, 1]."""
    _, group = np.unique(groups, return_inverse=True)
    return float((np.bincount(group, correct) / np.bincount(group)).min())
