"""Two heads need no training: the nearest neighbours, and the nearest class mean.

Both compare embeddings as they are, so they show what a backbone's features hold before anything
is learned on them. The defaults of k-NN are the protocol of DINO (Caron et al. 2021): cosine
similarity, 20 neighbours, and votes weighted by exp(similarity / 0.07).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from .fitting.samples import Floats, SamplesError, check_features, check_samples
from .parameters import check_choice, check_positive, check_whole

METRICS = ("cosine", "euclidean")
WEIGHTS = ("dino", "uniform", "distance")


@dataclass(eq=False, repr=False)
class KNNHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A KNNHead lets the nearest training samples vote, by scikit-learn's KNeighborsClassifier.

    k: how many neighbours vote; not more than there are training samples.
    metric: "cosine" compares directions, "euclidean" the features as they are.
    weights: weight of a vote. "dino": exp(cosine similarity / temperature), for "cosine" alone.
        "uniform": the same for all. "distance": 1 / distance, or 1 / (1 - similarity) for "cosine";
        a neighbour at distance 0 outvotes all that are farther away.
    temperature: of "dino".

    A fit keeps all training features as `samples_` (N, d), of unit length with "cosine", their
    class indices as `labels_` (N,), and `classes_`. Distances are computed block by block, so
    memory does not grow with the product of training and test samples. Of classes with equal votes
    the first wins.
    """

    k: int = 20
    metric: str = "cosine"
    weights: str = "dino"
    temperature: float = 0.07

    def check_parameters(self) -> None:
        """Raise UsageError for a value that no fit can use."""
        check_whole("k-NN", "k", self.k)
        check_choice("k-NN", "metric", self.metric, METRICS)
        weights = WEIGHTS if self.metric == "cosine" else WEIGHTS[1:]
        check_choice("k-NN", f"weights for metric {self.metric!r}:", self.weights, weights)
        check_positive("k-NN", "temperature", self.temperature)

    def fit(self, X: Any, y: Any) -> KNNHead:
        """Keep features (N, d) and class labels (N,); return the head itself.

        Raises UsageError for a parameter that no fit can use, and SamplesError for fewer than k
        samples, features that are not finite, or labels of one class.
        """
        self.check_parameters()
        X, y = check_samples(self, X, y)
        if self.k > len(X):
            plural = "s" if len(X) != 1 else ""
            raise SamplesError(
                f"The k-NN head asks {self.k} neighbours and has {len(X)} sample{plural}: lower k."
            )
        self.classes_, self.labels_ = np.unique(y, return_inverse=True)
        self.samples_ = _directions(X, self.metric)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class with most votes for each sample, (N,)."""
        most = np.argmax(self.predict_proba(X), axis=1)
        return np.asarray(self.classes_[most])

    def predict_proba(self, X: Any) -> Floats:
        """Return each class's share of the votes, (N, classes), whose rows sum to 1."""
        check_is_fitted(self)
        X = _directions(check_features(self, X), self.metric)
        model = KNeighborsClassifier(
            self.k, weights=self._vote(), algorithm="brute", metric="euclidean"
        )
        model.fit(self.samples_, self.labels_)
        return np.asarray(model.predict_proba(X.astype(self.samples_.dtype, copy=False)))

    def _vote(self) -> str | Callable[[Floats], Floats]:
        """Return weights as KNeighborsClassifier takes them: from Euclidean distances (N, k)."""
        if self.metric == "euclidean" or self.weights == "uniform":
            return self.weights
        if self.weights == "distance":
            return lambda distances: _inverse(distances**2 / 2)
        return lambda distances: _softened(1 - distances**2 / 2, self.temperature)


@dataclass(eq=False, repr=False)
class NearestClassMean(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A NearestClassMean predicts the class whose mean embedding is nearest.

    metric: "euclidean" compares samples with the mean of a class's features. "cosine" compares
        their directions with the mean of the class's features, each scaled to unit length.

    A fit sets `classes_` and `means_`, float64 (classes, d), of unit length with "cosine". Of
    classes that are equally near the first wins. There are no probabilities.
    """

    metric: str = "cosine"

    def check_parameters(self) -> None:
        """Raise UsageError for a value that no fit can use."""
        check_choice("nearest-mean", "metric", self.metric, METRICS)

    def fit(self, X: Any, y: Any) -> NearestClassMean:
        """Average features (N, d) by class labels (N,); return the head itself.

        Raises UsageError for an unknown metric, and SamplesError for features that are not finite
        or labels of one class.
        """
        self.check_parameters()
        X, y = check_samples(self, X, y)
        self.classes_ = np.unique(y)
        X = _directions(X, self.metric)
        means = [X[y == label].mean(axis=0, dtype=np.float64) for label in self.classes_]
        self.means_ = _directions(np.stack(means), self.metric)
        return self

    def decision_function(self, X: Any) -> Floats:
        """Return negative squared distances to the means, (N, classes).

        Of two classes it is the second's less the first's, (N,). With "cosine" the squared distance
        is 2 - 2 cosine.
        """
        near = self._nearness(X)
        return near[:, 1] - near[:, 0] if near.shape[1] == 2 else near

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class with the nearest mean for each sample, (N,)."""
        nearest = np.argmax(self._nearness(X), axis=1)
        return np.asarray(self.classes_[nearest])

    def _nearness(self, X: Any) -> Floats:
        check_is_fitted(self)
        X = _directions(check_features(self, X), self.metric)
        return np.asarray(-euclidean_distances(X, self.means_, squared=True))


def _directions(X: Floats, metric: str) -> Floats:
    """Return features scaled to unit length for "cosine", and as they are for "euclidean"."""
    # Between unit vectors d² = 2 - 2 cosine, so the nearest in Euclidean distance are those of the
    # largest cosine, and scikit-learn's fast Euclidean search serves both metrics.
    return np.asarray(normalize(X)) if metric == "cosine" else X


def _inverse(distances: Floats) -> Floats:
    """Return 1 / distance; in a row where some are 0, these weigh 1 and the others nothing."""
    zero = distances == 0
    with np.errstate(divide="ignore"):
        return np.where(zero.any(axis=1, keepdims=True), zero, 1 / distances)


def _softened(similarities: Floats, temperature: float) -> Floats:
    """Return exp(similarity / temperature), divided by the largest of each row."""
    # Votes count relative to each other, and without the division a small temperature overflows.
    nearest = similarities.max(axis=1, keepdims=True)
    return np.asarray(np.exp((similarities - nearest) / temperature))
