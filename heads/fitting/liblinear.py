"""Fit L1-penalised logistic regressions with liblinear, each of one class against the rest.

scikit-learn's LogisticRegression does the fitting. liblinear tells two classes apart, so more than
two take a regression each. Fits may run side by side in processes but not in threads, since
liblinear shuffles features from a generator that all threads of a process share.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from .samples import Floats, Indices

_HAS_PENALTY = LogisticRegression().get_params().get("penalty") == "l2"
L1 = {"penalty": "l1"} if _HAS_PENALTY else {"l1_ratio": 1.0}
"""The installed scikit-learn is asked for L1 so: its `penalty` is deprecated from 1.8 on."""


@dataclass(frozen=True)
class LiblinearSettings:
    """LiblinearSettings say how one fit is done.

    C: inverse strength of the L1 penalty.
    class_weight: weights of the first and the second class; None weighs samples alike, and is the
        only choice for more than two classes.
    max_iter: how many iterations liblinear may take.
    seed: of liblinear's shuffling.
    """

    C: float
    class_weight: tuple[float, float] | None
    max_iter: int
    seed: int


@dataclass(frozen=True)
class LinearRule:
    """A LinearRule is a fitted linear classifier: one row for two classes, else one a class.

    coef: float64 (rows, d). intercept: float64 (rows,). iterations: int64 (rows,), how many
    liblinear took.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    iterations: Indices


def fit_rule(X: Floats, labels: Indices, classes: int, settings: LiblinearSettings) -> LinearRule:
    """Fit to features (n, d) and class labels (n,) from 0 to classes - 1.

    Of more than two classes, one without a sample gets a row whose score is minus infinity, so that
    it never wins. A fit that runs out of iterations is no error; `iterations` tells.
    """
    if classes == 2:
        rows = [_fit_row(X, labels == 1, settings)]
    else:
        rows = [_fit_row(X, labels == number, settings) for number in range(classes)]
    coef, intercept, iterations = zip(*rows, strict=True)
    return LinearRule(np.array(coef), np.array(intercept), np.array(iterations, np.int64))


def winning_class(scores: NDArray[np.float64]) -> Indices:
    """Return the class (n,) that scores (n, rows) speak for.

    Of two classes it is the second where the score is positive; of more, the one of largest score.
    """
    chosen = scores[:, 0] > 0 if scores.shape[1] == 1 else scores.argmax(axis=1)
    return chosen.astype(np.int64)


def log_probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms of class probabilities, (n, K), from scores (n, rows).

    A class's probability is the logistic of its score, divided by the sum over the classes.
    """
    if scores.shape[1] == 1:
        scores = np.hstack([-scores, scores])
    return np.asarray(log_softmax(log_expit(scores), axis=1))


def _fit_row(
    X: Floats, positive: NDArray[np.bool_], settings: LiblinearSettings
) -> tuple[NDArray[np.float64], float, int]:
    """Fit one class against the rest; return coefficients, intercept and iterations."""
    # The samples to tune on may lack one of several classes, and scikit-learn refuses to fit labels
    # that are all the same.
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
        # One warning a fit would be hundreds; the iterations tell, and the head warns once.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, positive.astype(np.int64))
    return model.coef_[0].astype(np.float64), float(model.intercept_[0]), int(model.n_iter_[0])
