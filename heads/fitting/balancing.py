"""Split samples for tuning, and draw as many samples of each group, by their group indices.

All functions return positions in the arrays they are given, and draw from the generator they are
given.
"""

import numpy as np
from numpy.typing import NDArray

from .samples import Indices, SamplesError

ATTEMPTS = 20
"""So many balanced draws that miss a class are made before `complete_draw` gives up."""


def halve(n: int, generator: np.random.Generator) -> tuple[Indices, Indices]:
    """Return n // 2 of n positions at random, and the others."""
    shuffled = generator.permutation(n)
    return shuffled[: n // 2], shuffled[n // 2 :]


def split_by_group(
    groups: Indices, share: float, generator: np.random.Generator
) -> tuple[Indices, Indices]:
    """Return positions of a random share of each group, and of the others.

    share: between 0 and 1. A group's share is rounded to the nearest number of samples, halves up,
    so a tiny group gives none; of every group at least one sample is among the others.
    """
    taken, others = [], []
    for group in np.unique(groups):
        members = generator.permutation(np.flatnonzero(groups == group))
        # Halves up: round() would take none of one half sample and two of one and a half.
        count = min(int(share * len(members) + 0.5), len(members) - 1)
        taken.append(members[:count])
        others.append(members[count:])
    return np.concatenate(taken), np.concatenate(others)


def balanced_draw(groups: Indices, generator: np.random.Generator) -> Indices:
    """Return positions of as many random samples of each group as the smallest group has.

    They come group after group, in the order of the groups' indices.
    """
    present, sizes = np.unique(groups, return_counts=True)
    members = [np.flatnonzero(groups == group) for group in present]
    return np.concatenate([generator.permutation(rows)[: sizes.min()] for rows in members])


def complete_draw(groups: Indices, labels: Indices, generator: np.random.Generator) -> Indices:
    """Return a `balanced_draw` that holds every class of `labels`.

    Raises SamplesError if none of ATTEMPTS draws holds them all, which only groups that mix classes
    can bring about.
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
    """Return the number of samples of the smallest group that has any."""
    return int(np.unique(groups, return_counts=True)[1].min())


def worst_group_accuracy(correct: NDArray[np.bool_], groups: Indices) -> float:
    """Return the smallest share of correct samples over the groups that have any, in [0, 1]."""
    _, group = np.unique(groups, return_inverse=True)
    return float((np.bincount(group, correct) / np.bincount(group)).min())
