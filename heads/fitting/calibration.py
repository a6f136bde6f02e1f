"""Choose the settings of the logistic head that the A² paper leaves open, on validation samples.

The paper names lbfgs, but neither the scaling of the features nor C nor the number of iterations.
The grid crosses the three, and every setting that was tried is recorded with its score.
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
"""Each setting is tried with scikit-learn's default number of iterations, beside a fit that goes on
until it converges."""

ACCURACY = "accuracy"
WORST_GROUP = "worst-group"
SCORES = (ACCURACY, WORST_GROUP)


@dataclass(frozen=True)
class LabelledSamples:
    """LabelledSamples are samples to fit on or to score.

    X: features (N, d). y: class labels (N,). groups: group indices (N,), negative for none; None
    scores by accuracy alone.
    """

    X: Floats
    y: NDArray[Any]
    groups: NDArray[np.int64] | None = None

    def part(self, rows: NDArray[np.bool_]) -> LabelledSamples:
        """Return the samples where the mask (N,) is True."""
        groups = None if self.groups is None else self.groups[rows]
        return LabelledSamples(self.X[rows], self.y[rows], groups)


@dataclass(frozen=True)
class Trial:
    """A Trial is one setting, fitted on training samples and scored on validation samples.

    features, C: parameters of `LogisticHead`.
    max_iter: likewise; None is a fit that goes on until it converges.
    score: accuracy or worst-group accuracy in [0, 1]; None if the fit could not converge.
    converged: whether the fit ended before its iterations did.
    iterations: how many it took; None if it could not converge.
    failure: why it could not converge; "" if it did.
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
        """Return the parameters of `LogisticHead` that this trial was fitted with."""
        return {"features": self.features, "C": self.C, "max_iter": self.max_iter}


def try_grid(
    head: Any, train: LabelledSamples, validation: LabelledSamples
) -> tuple[list[Trial], Trial, Any]:
    """Fit and score `head` with every setting of the grid; return all trials, the best, its fit.

    head: an unfitted `LogisticHead`. The score is the accuracy of the worst group if `validation`
    has groups, else accuracy. Trials come in the order of the grid, and the first of the best wins:
    raw before l2 before standardised features, smaller before larger C, 100 iterations before a fit
    that converges.
    """
    trials: list[Trial] = []
    best: tuple[float, Any, Any] = (-1.0, None, None)
    for features in SCALINGS:
        for C in STRENGTHS:
            model = clone(head).set_params(features=features, C=C, calibrate=False)
            for trial, fitted in _try_lengths(model, train, validation):
                trials.append(trial)
                # Only a better score replaces the best, so the first of equal settings stays.
                if trial.score is not None and trial.score > best[0]:
                    best = (trial.score, trial, fitted)
    return trials, best[1], best[2]


def calibration_record(trials: list[Trial], chosen: Trial) -> dict[str, Any]:
    """Return what was chosen, which settings had the same score, and all trials, as JSON values."""
    same = [trial for trial in trials if trial.score == chosen.score and trial is not chosen]
    return {
        "chosen": asdict(chosen),
        "ties": [trial.setting for trial in same],
        "trials": [asdict(trial) for trial in trials],
    }


def _try_lengths(
    model: Any, train: LabelledSamples, validation: LabelledSamples
) -> list[tuple[Trial, Any]]:
    """Return the trial of CAPPED iterations and that of a converged fit, each with its fit.

    A model whose max_iter is given has only the trial with that number.
    """
    if model.max_iter is not None:
        return [_try_one(model, train, validation)]
    capped = _try_one(clone(model).set_params(max_iter=CAPPED), train, validation)
    if not capped[0].converged:
        return [capped, _try_one(clone(model).set_params(max_iter=None), train, validation)]
    # It ended within the cap, so the fit without a cap is the same one and need not be made again.
    return [capped, (replace(capped[0], max_iter=None), capped[1])]


def _try_one(model: Any, train: LabelledSamples, validation: LabelledSamples) -> tuple[Trial, Any]:
    """Fit and score one model; return its trial, and the model or None if it cannot converge."""
    setting = {name: getattr(model, name) for name in ("features", "C", "max_iter")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            model.fit(train.X, train.y)
        # Samples that no setting can be fitted on end the calibration, while a setting that cannot
        # converge is recorded and passed over. The first error is a kind of the second.
        except SamplesError:
            raise
        except A2pipeError as error:
            return Trial(**setting, score=None, converged=False, failure=str(error)), None
    converged = not any(issubclass(found.category, ConvergenceWarning) for found in caught)
    score = score_predictions(model.predict(validation.X), validation)
    iterations = int(np.max(model.n_iter_))
    return Trial(**setting, score=score, converged=converged, iterations=iterations), model


def score_predictions(predictions: NDArray[Any], samples: LabelledSamples) -> float:
    """Return the accuracy of predictions (N,), or of the worst group if the samples have groups.

    Raises SamplesError if the samples have groups, but none belongs to any.
    """
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
    """Return group indices, int64 (samples,), for a choice by the worst group.

    Raises UsageError if there are none, and SamplesError if they are not one for each sample.
    """
    if groups is None:
        raise UsageError(
            "The logistic head can only choose by its worst group where groups are given: give "
            f"them, or set choose_by to {ACCURACY!r}."
        )
    return group_indices(groups, samples)


def check_validation(mask: Any, samples: int) -> NDArray[np.bool_]:
    """Return a validation mask, bool (samples,).

    Raises SamplesError if it is no such mask, or leaves no sample for training or validation.
    """
    checked = validation_mask(mask, samples)
    if checked.all() or not checked.any():
        lacking = "training" if checked.all() else "validation"
        raise SamplesError(
            f"The logistic head is given no {lacking} sample among its {samples}: name the splits "
            "of the samples, or leave the validation mask out."
        )
    return checked


def holdout_mask(samples: LabelledSamples, share: float, seed: int) -> NDArray[np.bool_]:
    """Return a seeded validation mask, bool (N,), that holds out a share of every stratum.

    The strata are the classes or, if the samples have groups, the groups within classes. share:
    between 0 and 1. Of a stratum of two or more samples at least one is held out and one kept; the
    only sample of a stratum is kept for training.
    """
    generator = np.random.default_rng(seed)
    groups = np.zeros(len(samples.y), np.int64) if samples.groups is None else samples.groups
    classes = np.unique(samples.y, return_inverse=True)[1]
    strata = np.unique(np.stack([classes, groups]), axis=1, return_inverse=True)[1].ravel()
    mask = np.zeros(len(samples.y), bool)
    for stratum in range(int(strata.max()) + 1):
        members = generator.permutation(np.flatnonzero(strata == stratum))
        # round() alone could hold out none or all of a small stratum.
        mask[members[: min(max(1, round(share * len(members))), len(members) - 1)]] = True
    return mask
