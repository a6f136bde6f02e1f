"""DFR takes two steps on a pool: it chooses C by the worst group, then averages balanced fits.

Source: Kirichenko, Izmailov, Wilson, arXiv 2204.02937, and its public code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel, delayed

from .balancing import complete_draw, smallest_group, worst_group_accuracy
from .liblinear import LiblinearSettings, LinearRule, fit_rule, winning_class
from .pool import GroupedSamples
from .samples import Floats, Indices, SamplesError


@dataclass(frozen=True)
class Choice:
    """A Choice is the result of tuning.

    settings: the chosen ones.
    scores: worst-group accuracy of each candidate, in their order, in [0, 1].
    group_size: samples of each group in the balanced set that candidates were fitted on.
    """

    settings: LiblinearSettings
    scores: NDArray[np.float64]
    group_size: int


@dataclass(frozen=True)
class AveragedRule:
    """An AveragedRule is the average of the fits to several balanced draws.

    coef: mean coefficients, (rows, d). intercept: mean intercepts, (rows,).
    iterations: of each fit, (draws, rows).
    size: samples of a draw. group_size: samples of each group in a draw.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    iterations: Indices
    size: int
    group_size: int


def candidate_settings(
    Cs: Sequence[float], weights: Sequence[float] | None, classes: int, settings: LiblinearSettings
) -> list[LiblinearSettings]:
    """Return the settings that tuning tries: each C in turn with each pair of class weights.

    The pairs are (1, w) for every w of `weights`, then (w, 1), and no pair comes twice. Without
    weights, or with more than two classes, there is one candidate for each C. settings: what the
    candidates have in common.
    """
    pairs: list[tuple[float, float] | None] = [None]
    if weights and classes == 2:
        pairs = list(dict.fromkeys([*((1, w) for w in weights), *((w, 1) for w in weights)]))
    return [replace(settings, C=C, class_weight=pair) for C in Cs for pair in pairs]


def choose_settings(
    workers: Parallel,
    samples: GroupedSamples,
    scored: Indices,
    rest: Indices,
    candidates: Sequence[LiblinearSettings],
    generator: np.random.Generator,
) -> Choice:
    """Fit each candidate on one balanced draw, and choose the first of the best worst-group scores.

    workers: run the fits side by side. scored: rows that the fits are scored on; a group without
    any does not count. rest: rows that are drawn from. generator: of the draw. Features are
    standardised by the draw.

    Raises SamplesError if the rows are too few to choose on.
    """
    if not len(scored) or len(np.unique(samples.labels[rest])) < 2:
        raise SamplesError(
            f"The pool of {len(scored) + len(rest)} samples is too small to be split into samples "
            "to choose C by and samples of two classes to fit on: give more samples."
        )
    fitted = rest[complete_draw(samples.groups[rest], samples.labels[rest], generator)]
    scaler = StandardScaler().fit(samples.X[fitted])
    X, y = scaler.transform(samples.X[fitted]), samples.labels[fitted]
    X_score, y_score = scaler.transform(samples.X[scored]), samples.labels[scored]
    predictions = workers(
        delayed(_predictions)(X, y, X_score, samples.classes, settings) for settings in candidates
    )
    groups = samples.groups[scored]
    scores = np.array([worst_group_accuracy(found == y_score, groups) for found in predictions])
    return Choice(candidates[int(scores.argmax())], scores, smallest_group(samples.groups[rest]))


def average_fits(
    workers: Parallel,
    samples: GroupedSamples,
    rows: Indices,
    scaler: StandardScaler,
    settings: LiblinearSettings,
    generators: Sequence[np.random.Generator],
) -> AveragedRule:
    """Fit one balanced draw of the rows for each generator; average coefficients and intercepts.

    workers: run the fits side by side. rows: what is drawn from. scaler: standardises features, as
    it was fitted. settings: of every fit.

    Raises SamplesError if the rows, or every attempt at a draw, lack a class.
    """
    if len(np.unique(samples.labels[rows])) < samples.classes:
        raise SamplesError(
            f"The {len(rows)} samples to fit on lack a class of the pool, which is too small to "
            "keep samples back: retrain on the whole pool."
        )
    groups, labels = samples.groups[rows], samples.labels[rows]
    draws = [rows[complete_draw(groups, labels, generator)] for generator in generators]
    # All fits share one standardised array of the rows that any draw holds: joblib passes a large
    # array to its processes as a memory map, so that it is in memory once.
    used = np.unique(np.concatenate(draws))
    X, y = scaler.transform(samples.X[used], copy=False), samples.labels[used]
    rules = workers(
        delayed(_fit_draw)(X, y, np.searchsorted(used, draw), samples.classes, settings)
        for draw in draws
    )
    return AveragedRule(
        coef=np.mean([rule.coef for rule in rules], axis=0),
        intercept=np.mean([rule.intercept for rule in rules], axis=0),
        iterations=np.array([rule.iterations for rule in rules]),
        size=len(draws[0]),
        group_size=smallest_group(groups),
    )


def _predictions(
    X: Floats, labels: Indices, X_score: Floats, classes: int, settings: LiblinearSettings
) -> Indices:
    rule = fit_rule(X, labels, classes, settings)
    return winning_class(X_score @ rule.coef.T + rule.intercept)


def _fit_draw(
    X: Floats, labels: Indices, rows: Indices, classes: int, settings: LiblinearSettings
) -> LinearRule:
    return fit_rule(X[rows], labels[rows], classes, settings)
