"""Logistic regression with an L1 penalty by liblinear, one class against the rest of them.

scikit-learn's LogisticRegression does the fitting. liblinear itself tells two classes apart, so
more of them take a regression each. It shuffles features from a generator that all threads of a
process share: fits run side by side in processes, never in threads.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from .samples import Floats, Indices

_OLD = LogisticRegression().get_params().get("penalty") == "l2"
L1 = {"penalty": "l1"} if _OLD else {"l1_ratio": 1.0}
"""How the installed scikit-learn is asked for L1: `penalty` is deprecated from 1.8 on."""


@dataclass(frozen=True)
class LiblinearSettings:
    """How one fit is done. class_weight: weight of each class, or None for equal ones, which more
    than two classes need. max_iter, seed: liblinear's own."""

    C: float
    class_weight: tuple[float, float] | None
    max_iter: int
    seed: int


@dataclass(frozen=True)
class LinearRule:
    """coef (rows, d), intercept (rows,): one row for two classes, else a row a class, float64.
    iterations: int (rows,)."""

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    iterations: Indices


def fit_rule(X: Floats, labels: Indices, classes: int, settings: LiblinearSettings) -> LinearRule:
    """Fit to features (n, d) and labels (n,) of 0 .. classes - 1.

    Of more than two classes, one without a sample gets a row that never wins.
    """
    if classes == 2:
        rows = [_fit_row(X, labels == 1, settings)]
    else:
        rows = [_fit_row(X, labels == number, settings) for number in range(classes)]
    coef, intercept, iterations = zip(*rows, strict=True)
    return LinearRule(np.array(coef), np.array(intercept), np.array(iterations, np.int64))


def winning_class(scores: NDArray[np.float64]) -> Indices:
    """The class that scores (n, rows) speak for: the second of two if positive, of more the one of
    the largest score."""
    chosen = scores[:, 0] > 0 if scores.shape[1] == 1 else scores.argmax(axis=1)
    return chosen.astype(np.int64)


def log_probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of class probabilities (n, K) of scores (n, rows): each row's logistic, scaled so
    that the classes sum to 1."""
    if scores.shape[1] == 1:
        scores = np.hstack([-scores, scores])
    return np.asarray(log_softmax(log_expit(scores), axis=1))


def _fit_row(
    X: Floats, positive: NDArray[np.bool_], settings: LiblinearSettings
) -> tuple[NDArray[np.float64], float, int]:
    """Coefficients, intercept and iterations of one class against the rest."""
    if not positive.any():
        return np.zeros(X.shape[1]), -np.inf, 0
    model = LogisticRegression(
        solver="liblinear",
        C=settings.C,
        class_weight=dict(enumerate(settings.class_weight)) if settings.class_weight else None,
        max_iter=settings.max_iter,
        random_state=settings.seed,
        **L1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told by the iterations
        model.fit(X, positive.astype(np.int64))
    return model.coef_[0].astype(np.float64), float(model.intercept_[0]), int(model.n_iter_[0])
