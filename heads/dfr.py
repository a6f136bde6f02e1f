"""Deep feature reweighting averages an L1 regression over group-balanced draws of a pool.

It is the second stage of Kirichenko, Izmailov, Wilson, "Last layer re-training is sufficient for
robustness to spurious correlations", arXiv 2204.02937, as its public code runs it. First the
strength of the penalty is chosen by the worst group's accuracy on one part of the pool. Then
balanced draws of the pool are fitted one by one, and coefficients and intercepts are averaged.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import check_is_fitted

from .fitting.balancing import halve, split_by_group
from .fitting.liblinear import LiblinearSettings, log_probabilities, winning_class
from .fitting.pool import (
    GroupedSamples,
    check_pool,
    note_absent_groups,
    note_small_draw,
    note_unscored_groups,
    pool_and_train,
)
from .fitting.reweighting import (
    AveragedRule,
    Choice,
    average_fits,
    candidate_settings,
    choose_settings,
)
from .fitting.samples import (
    Floats,
    Indices,
    SamplesError,
    check_features,
    check_samples,
    group_indices,
    validation_mask,
)
from .parameters import check_choice, check_positives, check_share, check_whole

# The grids of the public code.
CS = (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
WEIGHTS = (1.0, 2.0, 3.0, 10.0, 100.0, 300.0, 1000.0)


@dataclass(eq=False, repr=False)
class DFRHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A DFRHead does deep feature reweighting on cached features: DFR(Val) and DFR(Train).

    The defaults are what the public code does (izmailovpavel/spurious_feature_learning), with the
    class weights of the code before it (PolinaKirichenko/deep_feature_reweighting).

    variant: which samples are the pool. "val": the validation samples, or all samples if no mask
        names any; a random half of them scores in tuning. "train": the training samples; a share
        `pseudo_val` of every group scores in tuning.
    Cs: inverse strengths of the L1 penalty to choose from. The first of equally good ones wins.
    class_weights: weights to choose from, for two classes only. With every C, each weight is tried
        on the second class and then on the first, against 1 on the other. None or [] tries none.
    draws: number of balanced draws whose coefficients are averaged.
    scaler: samples that the final standardisation is fitted on, "pool" or "train". Tuning
        standardises by the balanced samples that it fits.
    retrain_on: samples that the draws are taken from: the whole "pool", or the "rest", which did
        not score in tuning. None is "pool" for "val", as the public code does, and "rest" for
        "train", as A² (section 4) states.
    pseudo_val: share of every group that scores in tuning for "train", between 0 and 1.
    group_by: what is balanced and scored: each "group", or each "class".
    max_iter: iterations that liblinear may take; the public code leaves scikit-learn's 100.
    seed: of all draws and of liblinear. Equal seeds give equal bits, whatever `n_jobs` is.
    n_jobs: number of processes that fit side by side, -1 for one a core. None is 1, or what
        joblib.parallel_config says.

    A fit to K classes and d features sets the following, where `rows` is 1 for two classes and else
    K, each class against the rest:

    coef_ (rows, d), intercept_ (rows,): float64, for standardised features.
    mean_ (d,), scale_ (d,): of the standardisation.
    classes_ (K,): the class labels in ascending order.
    C_, class_weight_ (K,): as chosen.
    scores_ (Cs, pairs of class weights): worst-group accuracy of each candidate, in [0, 1].
    n_iter_ (draws, rows): iterations that liblinear took.
    groups_, group_sizes_: indices of the groups in the pool, and the number of samples of each.
    tuning_group_size_: samples of each group in the balanced set of tuning.
    draw_group_size_, draw_size_: samples of each group in a draw, and in all of a draw.
    notes_: one sentence for each weakness of the pool; `fit` gives each as a warning too.
    """

    variant: str = "val"
    Cs: Sequence[float] = CS
    class_weights: Sequence[float] | None = WEIGHTS
    draws: int = 20
    scaler: str = "pool"
    retrain_on: str | None = None
    pseudo_val: float = 0.2
    group_by: str = "group"
    max_iter: int = 100
    seed: int = 0
    n_jobs: int | None = None

    @property
    def fitted_on_validation(self) -> str:
        """Return "variant=train" if the head is fitted on the validation samples, else "".

        It is the setting that fits the head on other samples.
        """
        return "variant=train" if self.variant == "val" else ""

    def check_parameters(self) -> None:
        """Raise UsageError for a value that no fit can use."""
        check_choice("DFR", "variant", self.variant, ("val", "train"))
        check_choice("DFR", "scaler", self.scaler, ("pool", "train"))
        check_choice("DFR", "group_by", self.group_by, ("group", "class"))
        if self.retrain_on is not None:
            check_choice("DFR", "retrain_on", self.retrain_on, ("pool", "rest"))
        check_positives("DFR", "Cs", self.Cs)
        if self.class_weights:
            check_positives("DFR", "class_weights", self.class_weights)
        check_share("DFR", "pseudo_val", self.pseudo_val)
        check_whole("DFR", "draws", self.draws)
        check_whole("DFR", "max_iter", self.max_iter)
        check_whole("DFR", "seed", self.seed, least=0)
        if self.n_jobs not in (None, -1):
            check_whole("DFR", "n_jobs", self.n_jobs)

    def fit(self, X: Any, y: Any, *, groups: Any = None, validation: Any = None) -> DFRHead:
        """Fit to features (N, d) and class labels (N,); return the head itself.

        groups: int (N,), the group of each sample, -1 for none, which no sample of the pool may
            have. Without groups each class is a group.
        validation: bool (N,), True for validation samples.

        Raises UsageError for a parameter that no fit can use, and SamplesError for samples that are
        not finite or of one class, and for a pool that is empty, lacks a class or is too small to
        choose C on.
        """
        # Check everything before the long fits.
        self.check_parameters()
        samples, mask = self._check_samples(X, y, groups, validation)
        pool, train = pool_and_train(mask, len(samples.X), self.variant)
        check_pool(samples, pool, self.classes_)

        # A generator for tuning and for each draw, so that a draw does not depend on how many
        # numbers the others took, nor on the process that makes it.
        tuning, *draws = np.random.default_rng(self.seed).spawn(1 + self.draws)
        scored, rest = (pool[part] for part in self._split(samples.groups[pool], tuning))
        drawn = pool if self._retrains_on() == "pool" else rest
        with Parallel(n_jobs=self.n_jobs) as workers:
            choice = choose_settings(
                workers, samples, scored, rest, self._grid(samples.classes), tuning
            )
            scaler = self._fit_scaler(samples.X, pool, train)
            mean = average_fits(workers, samples, drawn, scaler, choice.settings, draws)
        self._keep(scaler, choice, mean)
        self.groups_, self.group_sizes_ = np.unique(samples.groups[pool], return_counts=True)
        self._warn(
            note_absent_groups(samples, pool)
            + note_unscored_groups(samples, pool, scored, rest)
            + note_small_draw(choice.group_size, samples.groups[rest], "chose C on")
            + note_small_draw(mean.group_size, samples.groups[drawn], "averages fits to")
        )
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return scores of each class against the rest, (N, K); of two classes the second's, (N,).

        X: features (N, d).
        """
        scores = self._scores(X)
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of the largest score of each sample, (N,)."""
        chosen = winning_class(self._scores(X))
        return np.asarray(self.classes_[chosen])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities (N, K): the logistics of the scores, scaled to sum to 1."""
        return np.asarray(np.exp(self.predict_log_proba(X)))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithm of `predict_proba`, (N, K)."""
        return log_probabilities(self._scores(X))

    def _check_samples(
        self, X: Any, y: Any, groups: Any, validation: Any
    ) -> tuple[GroupedSamples, NDArray[np.bool_] | None]:
        """Check what `fit` was given, and set classes_; return the samples and validation mask."""
        X, y = check_samples(self, X, y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        mask = None if validation is None else validation_mask(validation, len(X))
        indices = labels if groups is None else group_indices(groups, len(X))
        if self.group_by == "class":
            indices = labels
        return GroupedSamples(X, labels, indices, len(self.classes_)), mask

    def _split(self, groups: Indices, generator: np.random.Generator) -> tuple[Indices, Indices]:
        """Return positions in the pool of the samples that score in tuning, and of the others."""
        if self.variant == "val":
            return halve(len(groups), generator)
        return split_by_group(groups, self.pseudo_val, generator)

    def _retrains_on(self) -> str:
        """Return what the draws are taken from, "pool" or "rest"."""
        return self.retrain_on or {"val": "pool", "train": "rest"}[self.variant]

    def _grid(self, classes: int) -> list[LiblinearSettings]:
        """Return the settings that tuning tries."""
        every = LiblinearSettings(C=1.0, class_weight=None, max_iter=self.max_iter, seed=self.seed)
        return candidate_settings(self.Cs, self.class_weights, classes, every)

    def _fit_scaler(self, X: Floats, pool: Indices, train: Indices) -> StandardScaler:
        """Fit the final standardisation; raise SamplesError if it has no samples."""
        rows = pool if self.scaler == "pool" else train
        if not len(rows):
            raise SamplesError(
                "DFR was to standardise by training samples, and the mask names none: use scaler "
                "'pool'."
            )
        return StandardScaler().fit(X if len(rows) == len(X) else X[rows])

    def _keep(self, scaler: StandardScaler, choice: Choice, mean: AveragedRule) -> None:
        """Set the fitted arrays and numbers as plain values, so that the head can be saved."""
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        self.coef_, self.intercept_, self.n_iter_ = mean.coef, mean.intercept, mean.iterations
        self.C_ = choice.settings.C
        self.class_weight_ = np.array(choice.settings.class_weight or [1.0] * len(self.classes_))
        self.scores_ = choice.scores.reshape(len(self.Cs), -1)
        self.tuning_group_size_ = choice.group_size
        self.draw_group_size_, self.draw_size_ = mean.group_size, mean.size

    def _warn(self, notes: list[str]) -> None:
        """Set notes_ and warn of each, and of fits that did not converge."""
        self.notes_ = notes
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        unfinished = int((self.n_iter_ >= self.max_iter).any(axis=1).sum())
        if unfinished:
            self.notes_.append(
                f"{unfinished} of DFR's {self.draws} fits did not converge in {self.max_iter} "
                "iterations: raise max_iter."
            )
            warnings.warn(self.notes_[-1], ConvergenceWarning, stacklevel=3)

    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Return the scores of the fitted rows, (N, rows)."""
        check_is_fitted(self)
        X = check_features(self, X)
        scaler = StandardScaler()
        scaler.mean_, scaler.scale_ = self.mean_, self.scale_
        return np.asarray(scaler.transform(X) @ self.coef_.T + self.intercept_)
