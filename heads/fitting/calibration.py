"""Which logistic head? The grid that the A² paper leaves open, decided on validation samples.

The paper names lbfgs and nothing else: not the scaling of the features, not C, not the number of
iterations. The grid crosses them, and every setting that was tried is recorded with its score.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from ...errors import A2pipeError, UsageError
from .samples import Floats, SamplesError, group_indices, validation_mask

SCALINGS = ("raw", "l2", "standardized")
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
CAPPED = 100
"""Iterations of scikit-learn's own default; every setting is tried with them and converged."""

ACCURACY = "accuracy"
WORST_GROUP = "worst-group"
SCORES = (ACCURACY, WORST_GROUP)


@dataclass(frozen=True)
class LabelledSamples:
    """Features (N, d), class labels (N,) and, for the worst group, group indices (N,)."""

    X: Floats
    y: NDArray[Any]
    groups: NDArray[np.int64] | None = None

    def part(self, rows: NDArray[np.bool_]) -> LabelledSamples:
        """The samples of a mask."""
        groups = None if self.groups is None else self.groups[rows]
        return LabelledSamples(self.X[rows], self.y[rows], groups)


@dataclass(frozen=True)
class Trial:
    """One setting, fitted on training samples and scored on validation samples.

    max_iter: None for a fit that goes on until it converges.
    score: in [0, 1]; None where the fit could not converge, with the reason in `failure`.
    converged: whether the fit ended by itself.
    """

    features: str
    C: float
    max_iter: int | None
    score: float | None
    converged: bool
    iterations: int | None = None
    failure: str = ""

    @property
    def setting(self) -> dict[str, Any]:
        """The constructor's parameters of this trial."""
        return {"features": self.features, "C": self.C, "max_iter": self.max_iter}


def try_grid(
    head: Any, train: LabelledSamples, validation: LabelledSamples
) -> tuple[list[Trial], Trial, Any]:
    """Every setting in the order of the grid (features, C, iterations), the best, and its fit.

    The score is that of the worst group where `validation` has groups, else accuracy. The first
    of the best settings wins: raw before l2 before standardised features, smaller before larger C,
    100 iterations before a converged fit.
    """
    trials: list[Trial] = []
    best: tuple[float, Any, Any] = (-1.0, None, None)
    for features in SCALINGS:
        for C in STRENGTHS:
            model = clone(head).set_params(features=features, C=C, calibrate=False)
            for trial, fitted in _try_lengths(model, train, validation):
                trials.append(trial)
                if trial.score is not None and trial.score > best[0]:
                    best = (trial.score, trial, fitted)
    return trials, best[1], best[2]


def calibration_record(trials: list[Trial], chosen: Trial) -> dict[str, Any]:
    """What was tried and chosen, and which settings had the same score, as JSON values."""
    same = [trial for trial in trials if trial.score == chosen.score and trial is not chosen]
    return {
        "chosen": asdict(chosen),
        "ties": [trial.setting for trial in same],
        "trials": [asdict(trial) for trial in trials],
    }


def _try_lengths(
    model: Any, train: LabelledSamples, validation: LabelledSamples
) -> list[tuple[Trial, Any]]:
    """The capped fit and the converged one, which is the same where the cap was not reached; a
    head that names its iterations has only these."""
    if model.max_iter is not None:
        return [_try_one(model, train, validation)]
    capped = _try_one(clone(model).set_params(max_iter=CAPPED), train, validation)
    if not capped[0].converged:
        return [capped, _try_one(clone(model).set_params(max_iter=None), train, validation)]
    return [capped, (replace(capped[0], max_iter=None), capped[1])]


def _try_one(model: Any, train: LabelledSamples, validation: LabelledSamples) -> tuple[Trial, Any]:
    setting = {name: getattr(model, name) for name in ("features", "C", "max_iter")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            model.fit(train.X, train.y)
        except SamplesError:
            raise
        except A2pipeError as error:
            return Trial(**setting, score=None, converged=False, failure=str(error)), None
    converged = not any(issubclass(found.category, ConvergenceWarning) for found in caught)
    score = score_predictions(model.predict(validation.X), validation)
    iterations = int(np.max(model.n_iter_))
    return Trial(**setting, score=score, converged=converged, iterations=iterations), model


def score_predictions(predictions: NDArray[Any], samples: LabelledSamples) -> float:
    """Accuracy, or that of the worst group where there are groups; -1 belongs to none."""
    right = predictions == samples.y
    if samples.groups is None:
        return float(np.mean(right))
    present = np.unique(samples.groups[samples.groups >= 0])
    if not len(present):
        raise SamplesError(
            "The logistic head cannot choose by its worst group, as no validation sample has a "
            f"group: set choose_by to {ACCURACY!r}."
        )
    return min(float(np.mean(right[samples.groups == group])) for group in present)


def check_groups(groups: Any, samples: int) -> NDArray[np.int64]:
    """Group indices, int (N,), for a choice by the worst group.

    Raises UsageError where there are none.
    """
    if groups is None:
        raise UsageError(
            "The logistic head can only choose by its worst group where groups are given: give "
            f"them, or set choose_by to {ACCURACY!r}."
        )
    return group_indices(groups, samples)


def check_validation(mask: Any, samples: int) -> NDArray[np.bool_]:
    """A validation mask, bool (N,). Raises SamplesError where it leaves nothing on one side."""
    checked = validation_mask(mask, samples)
    if checked.all() or not checked.any():
        lacking = "training" if checked.all() else "validation"
        raise SamplesError(
            f"The logistic head is given no {lacking} sample among its {samples}: name the splits "
            "of the samples, or leave the validation mask out."
        )
    return checked


def holdout_mask(samples: LabelledSamples, share: float, seed: int) -> NDArray[np.bool_]:
    """A seeded validation mask (N,): a share of every class, or of every group of every class.

    At least one sample of each that has two; a single one stays in training.
    """
    generator = np.random.default_rng(seed)
    groups = np.zeros(len(samples.y), np.int64) if samples.groups is None else samples.groups
    classes = np.unique(samples.y, return_inverse=True)[1]
    strata = np.unique(np.stack([classes, groups]), axis=1, return_inverse=True)[1].ravel()
    mask = np.zeros(len(samples.y), bool)
    for stratum in range(int(strata.max()) + 1):
        members = generator.permutation(np.flatnonzero(strata == stratum))
        mask[members[: min(max(1, round(share * len(members))), len(members) - 1)]] = True
    return mask
