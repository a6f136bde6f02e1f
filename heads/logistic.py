"""The paper's head: logistic regression on frozen features, fitted until it converges.

On raw features it is scikit-learn's LogisticRegression (lbfgs, L2 penalty), bit for bit, in the
precision of the features it is given. What is fitted is kept in plain arrays: `coef_`,
`intercept_`, `classes_`, `n_iter_`, and `mean_` and `scale_` where features are standardised.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..errors import A2pipeError, UsageError

Floats = NDArray[np.float64] | NDArray[np.float32]

FEATURES = ("raw", "l2", "standardized")
PRECISIONS = (np.float64, np.float32)
"""Features of another type are converted to the first."""
BUDGETS = (1_000, 10_000, 100_000)
"""Iterations allowed in turn until a fit converges; each begins anew, so the last alone counts."""


class LogisticHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression with lbfgs over cached features (A², sections 3 and 4).

    features: "raw"; "l2" scales every sample to unit length; "standardized" scales every feature to
        zero mean and unit variance on the training samples.
    C: inverse strength of the L2 penalty.
    tol: lbfgs stops when the largest component of the gradient falls below it.
    max_iter: None fits until converged, however many iterations that takes, in float64 where
        float32 is too coarse to converge in, and `fit` raises A2pipeError if it cannot. A number
        allows exactly that many, and scikit-learn's ConvergenceWarning is passed on where they do
        not suffice.
    """

    def __init__(
        self,
        features: str = "raw",
        C: float = 1.0,
        tol: float = 1e-4,
        max_iter: int | None = None,
    ) -> None:
        self.features = features
        self.C = C
        self.tol = tol
        self.max_iter = max_iter

    def check_parameters(self) -> None:
        """Raise UsageError for a value no fit can use."""
        if self.features not in FEATURES:
            names = " or ".join(repr(name) for name in FEATURES)
            raise UsageError(f"The logistic head has no features {self.features!r}: use {names}.")
        _check_positive("C", self.C)
        _check_positive("tol", self.tol)
        if self.max_iter is not None:
            _check_positive("max_iter", self.max_iter, int)

    def fit(self, X: Any, y: Any) -> LogisticHead:
        """Fit to features (N, d) and class labels (N,)."""
        self.check_parameters()
        X, y = validate_data(self, X, y, dtype=PRECISIONS)
        check_classification_targets(y)
        self._fit_scaling(X)
        model = self._fit_linear(self._prepare(X), y)
        self.coef_, self.intercept_ = model.coef_, model.intercept_
        self.classes_, self.n_iter_ = model.classes_, model.n_iter_
        return self

    def decision_function(self, X: Any) -> Floats:
        """Logits, (N, classes), or (N,) of the second class where there are two."""
        return np.asarray(self._linear(X, "decision_function"))

    def predict(self, X: Any) -> NDArray[Any]:
        """The most likely class of each sample, (N,)."""
        return np.asarray(self._linear(X, "predict"))

    def predict_proba(self, X: Any) -> Floats:
        """Probability of each class, (N, classes), rows summing to 1."""
        return np.asarray(self._linear(X, "predict_proba"))

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithm of `predict_proba`."""
        return np.asarray(self._linear(X, "predict_log_proba"))

    def _fit_scaling(self, X: Floats) -> None:
        """Set mean_ and scale_ for standardised features; forget those of an earlier fit."""
        for name in {"mean_", "scale_"} & vars(self).keys():
            delattr(self, name)
        if self.features == "standardized":
            scaler = StandardScaler().fit(X)
            self.mean_, self.scale_ = scaler.mean_, scaler.scale_

    def _fit_linear(self, X: Floats, y: NDArray[Any]) -> LogisticRegression:
        if self.max_iter is not None:
            return LogisticRegression(C=self.C, tol=self.tol, max_iter=self.max_iter).fit(X, y)
        return _fit_converged(X, y, C=self.C, tol=self.tol)

    def _prepare(self, X: Floats) -> Floats:
        """Features as the linear model sees them, in the precision they came in."""
        if self.features == "l2":
            return np.asarray(normalize(X))
        if self.features == "standardized":
            scaler = StandardScaler()
            scaler.mean_, scaler.scale_ = self.mean_, self.scale_
            return np.asarray(scaler.transform(X))
        return X

    def _linear(self, X: Any, method: str) -> Any:
        """Call a method of the scikit-learn model that the fitted arrays describe."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=PRECISIONS, reset=False)
        model = LogisticRegression()
        model.coef_, model.intercept_, model.classes_ = self.coef_, self.intercept_, self.classes_
        return getattr(model, method)(self._prepare(X))


def _fit_converged(X: Floats, y: NDArray[Any], *, C: float, tol: float) -> LogisticRegression:
    """Fit with growing budgets of iterations, in float64 if need be; say why not even that did."""
    for budget in BUDGETS:
        model = LogisticRegression(C=C, tol=tol, max_iter=budget)
        reason = _fit_once(model, X, y)
        if not reason:
            return model
        if int(np.max(model.n_iter_)) < budget:
            break
    if X.dtype != np.float64:
        return _fit_converged(X.astype(np.float64), y, C=C, tol=tol)
    raise A2pipeError(
        f"The logistic head (C={C:g}, tol={tol:g}) did not converge on {len(X)} samples of "
        f"{X.shape[1]} features ({reason}): standardise the features, lower C, raise tol, or set "
        "max_iter to accept an unfinished fit."
    )


def _fit_once(model: LogisticRegression, X: Floats, y: NDArray[Any]) -> str:
    """Fit, and say why it did not converge; "" if it did. Other warnings are passed on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    failures = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    for other in caught:
        if other not in failures:
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return str(failures[-1].message).splitlines()[0].rstrip(":") if failures else ""


def _check_positive(name: str, value: Any, *kinds: type) -> None:
    """Refuse anything but a positive, finite number, of the given kinds if any are given."""
    right = isinstance(value, kinds or (int, float)) and not isinstance(value, bool)
    if not right or not math.isfinite(value) or value <= 0:
        kind = "whole number" if kinds else "number"
        raise UsageError(f"The logistic head's {name} is a positive {kind}, not {value!r}.")
