"""The paper's head is a logistic regression on frozen features, fitted until it converges.

On raw features it is scikit-learn's LogisticRegression (lbfgs, L2 penalty), bit for bit, in the
precision of the features that it is given.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils.validation import check_is_fitted

from ..errors import A2pipeError, UsageError
from .fitting.calibration import (
    ACCURACY,
    SCALINGS,
    SCORES,
    WORST_GROUP,
    LabelledSamples,
    calibration_record,
    check_groups,
    check_validation,
    holdout_mask,
    try_grid,
)
from .fitting.samples import Floats, check_features, check_samples
from .parameters import (
    check_choice,
    check_flag,
    check_positive,
    check_positives,
    check_share,
    check_whole,
)

BUDGETS = (1_000, 10_000, 100_000)
"""So many iterations are allowed in turn until a fit converges. Every attempt starts from zero, so
the result is that of a fit with the last number alone."""


# Every head is a dataclass: its fields are the parameters, and the __init__ that it gets is the one
# that scikit-learn reads them from. Equality and representation stay scikit-learn's own.
@dataclass(eq=False, repr=False)
class LogisticHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A LogisticHead is logistic regression by lbfgs on cached features (A², sections 3 and 4).

    features: how features are scaled. "raw": not at all. "l2": every sample to unit length.
        "standardized": every feature to zero mean and unit variance on the training samples.
    C: inverse strength of the L2 penalty.
    tol: lbfgs stops when the largest component of the gradient falls below it.
    class_weight: weights of the classes. "balanced" weighs every class inversely to its number of
        training samples; a dictionary gives the weight of each class; None weighs all samples
        alike.
    max_iter: None fits until it converges, in float64 where float32 is too coarse for that. A
        number allows exactly that many iterations, and scikit-learn's ConvergenceWarning is passed
        on if they do not suffice.
    calibrate: whether to choose features, C and max_iter on validation samples, among the 30
        settings of `calibration.try_grid`. Features and C have to be left at their defaults then; a
        max_iter that is given counts for all settings.
    choose_by: the score of that choice, "accuracy" or "worst-group", which needs groups.
    validation_share: share of every class that is held out for the choice if no validation samples
        are given, between 0 and 1.
    seed: of the samples that are held out.

    A fit sets plain arrays and JSON values: `coef_` and `intercept_` as scikit-learn has them,
    `classes_`, `n_iter_`, `features_` (the scaling), `mean_` and `scale_` if features are
    standardised, and `calibration_` (see `calibration.calibration_record`) if it calibrates.
    """

    features: str = "raw"
    C: float = 1.0
    tol: float = 1e-4
    max_iter: int | None = None
    class_weight: str | dict[Any, float] | None = None
    calibrate: bool = False
    choose_by: str = ACCURACY
    validation_share: float = 0.2
    seed: int = 0

    @property
    def uses(self) -> frozenset[str]:
        """Return which of "groups" and "validation" `fit` uses: none without calibration."""
        if not self.calibrate:
            return frozenset()
        by_group = {"groups"} if self.choose_by == WORST_GROUP else set()
        return frozenset({"validation", *by_group})

    def check_parameters(self) -> None:
        """Raise UsageError for a value that no fit can use."""
        check_choice("logistic", "features", self.features, SCALINGS)
        check_positive("logistic", "C", self.C)
        check_positive("logistic", "tol", self.tol)
        if self.max_iter is not None:
            check_whole("logistic", "max_iter", self.max_iter)
        if isinstance(self.class_weight, dict):
            check_positives("logistic", "class_weight", [*self.class_weight.values()])
        elif self.class_weight is not None:
            check_choice("logistic", "class_weight", self.class_weight, ("balanced",))
        check_flag("logistic", "calibrate", self.calibrate)
        check_choice("logistic", "choose_by", self.choose_by, SCORES)
        check_share("logistic", "validation_share", self.validation_share)
        check_whole("logistic", "seed", self.seed, least=0)
        if self.calibrate and (self.features, self.C) != ("raw", 1.0):
            raise UsageError(
                "The logistic head chooses features and C itself when it calibrates: leave them "
                "out, or calibrate."
            )

    def fit(self, X: Any, y: Any, *, groups: Any = None, validation: Any = None) -> LogisticHead:
        """Fit to features (N, d) and class labels (N,); return the head itself.

        The other arguments are used only if the head calibrates:

        groups: int (N,), the group of each sample for choose_by "worst-group", -1 for none.
        validation: bool (N,), True for the samples that settings are scored on; the head is fitted
            on the others alone. Without it, samples are held out for the choice, and the chosen
            setting is then fitted on all samples.

        Raises UsageError for a parameter that no fit can use, or for validation samples without
        calibration; SamplesError for samples that no fit can use; A2pipeError if max_iter is None
        and the fit cannot converge.
        """
        self.check_parameters()
        X, y = check_samples(self, X, y)
        self._forget()
        if self.calibrate:
            return self._calibrate(X, y, groups, validation)
        if validation is not None:
            raise UsageError(
                "The logistic head has a use for validation samples only where it calibrates: set "
                "calibrate, or fit it on the training samples alone."
            )
        self._fit_scaling(X)
        model = self._fit_linear(self._prepare(X), y)
        self.coef_, self.intercept_ = model.coef_, model.intercept_
        self.classes_, self.n_iter_ = model.classes_, model.n_iter_
        return self

    def decision_function(self, X: Any) -> Floats:
        """Return logits of features (N, d): (N, classes); of two classes the second's, (N,)."""
        return np.asarray(self._linear(X, "decision_function"))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most likely class of each sample, (N,)."""
        return np.asarray(self._linear(X, "predict"))

    def predict_proba(self, X: Any) -> Floats:
        """Return class probabilities, (N, classes), whose rows sum to 1."""
        return np.asarray(self._linear(X, "predict_proba"))

    def predict_log_proba(self, X: Any) -> Floats:
        """Return the logarithm of `predict_proba`, (N, classes)."""
        return np.asarray(self._linear(X, "predict_log_proba"))

    def _calibrate(self, X: Floats, y: NDArray[Any], groups: Any, validation: Any) -> LogisticHead:
        """Choose a setting on the validation samples, and take over all that its fit has set."""
        by_group = self.choose_by == WORST_GROUP
        samples = LabelledSamples(X, y, check_groups(groups, len(y)) if by_group else None)
        # A data set whose validation split is empty gives a mask of False alone.
        given = validation is not None and bool(np.any(validation))
        mask = validation if given else holdout_mask(samples, self.validation_share, self.seed)
        mask = check_validation(mask, len(y))
        trials, chosen, model = try_grid(self, samples.part(~mask), samples.part(mask))
        if not given:
            model = clone(self).set_params(calibrate=False, **chosen.setting).fit(X, y)
        for name, value in vars(model).items():
            if name.endswith("_"):
                setattr(self, name, value)
        self.calibration_ = {
            "choose_by": self.choose_by,
            "validation": "given" if given else "held out",
            "n_train": int(np.sum(~mask)),
            "n_validation": int(np.sum(mask)),
            **calibration_record(trials, chosen),
        }
        return self

    def _forget(self) -> None:
        """Drop the attributes of an earlier fit that this one may not set."""
        # A saved head is all its attributes that end in "_", so none may be left over.
        for name in {"mean_", "scale_", "calibration_"} & vars(self).keys():
            delattr(self, name)

    def _fit_scaling(self, X: Floats) -> None:
        """Set features_, and mean_ and scale_ if features are standardised."""
        self.features_ = self.features
        if self.features == "standardized":
            scaler = StandardScaler().fit(X)
            self.mean_, self.scale_ = scaler.mean_, scaler.scale_

    def _fit_linear(self, X: Floats, y: NDArray[Any]) -> LogisticRegression:
        model = LogisticRegression(C=self.C, tol=self.tol, class_weight=self.class_weight)
        if self.max_iter is None:
            return _fit_converged(model, X, y)
        return model.set_params(max_iter=self.max_iter).fit(X, y)

    def _prepare(self, X: Floats) -> Floats:
        """Return features scaled as the fit scaled them, in the precision that they came in."""
        if self.features_ == "l2":
            return np.asarray(normalize(X))
        if self.features_ == "standardized":
            scaler = StandardScaler()
            scaler.mean_, scaler.scale_ = self.mean_, self.scale_
            return np.asarray(scaler.transform(X))
        return X

    def _linear(self, X: Any, method: str) -> Any:
        """Call a method of the scikit-learn model that the fitted arrays describe."""
        # The model is made anew from arrays, so that a head read from a file predicts the same bits
        # without anything being unpickled.
        check_is_fitted(self)
        X = check_features(self, X)
        model = LogisticRegression()
        model.coef_, model.intercept_, model.classes_ = self.coef_, self.intercept_, self.classes_
        return getattr(model, method)(self._prepare(X))


def _fit_converged(model: LogisticRegression, X: Floats, y: NDArray[Any]) -> LogisticRegression:
    """Fit with more and more iterations, then in float64; raise A2pipeError if none converges."""
    for budget in BUDGETS:
        reason = _fit_once(model.set_params(max_iter=budget), X, y)
        if not reason:
            return model
        # lbfgs gave up before its iterations ran out: more of them would end at the same point.
        if int(np.max(model.n_iter_)) < budget:
            break
    if X.dtype != np.float64:
        return _fit_converged(model, X.astype(np.float64), y)
    raise A2pipeError(
        f"The logistic head (C={model.C:g}, tol={model.tol:g}) did not converge on {len(X)} "
        f"samples of {X.shape[1]} features ({reason}): standardise the features, lower C, raise "
        "tol, or set max_iter to accept an unfinished fit."
    )


def _fit_once(model: LogisticRegression, X: Floats, y: NDArray[Any]) -> str:
    """Fit, and return why it did not converge, "" if it did. Other warnings are passed on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    failures = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    # What was caught beside them is raised again where it came from, so that filters still apply.
    for other in caught:
        if other not in failures:
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return str(failures[-1].message).splitlines()[0].rstrip(":") if failures else ""
