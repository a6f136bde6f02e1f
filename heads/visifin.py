"""VISI-FIN (arXiv 2604.01283) learns a projection, and weighs samples by a learned score.

The formulas of its section 3.3 are implemented as they stand, with a switch for each component.
The numbers that the text reports contradict each other, so none of them serves as a target.

If the objective is minimised as written, weight moves to the easy samples, because a hard sample of
less weight costs less. If classes overlap, the minimum may be a classifier of one class alone whose
samples have all the weight: with K classes of equal size that costs mu log K and no loss.
`weights_` shows whether it came to that. `stop_gradient`, a larger `kl_weight`, or weighting
switched off prevent it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from ..errors import UsageError
from .fitting.samples import Floats, check_features, check_samples
from .parameters import check_choice, check_flag, check_positive, check_whole

if TYPE_CHECKING:
    from .visifin_training import Batch, Network, Terms

OPTIMIZERS = ("lbfgs", "adam")
EPSILON = 1e-5
"""LayerNorm adds this to the variance, as PyTorch does by default."""


@dataclass(eq=False, repr=False)
class VisiFinHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A VisiFinHead classifies projected, layer-normalised features, trained on weighted samples.

    dimension: d', the length of the projection z = W_p LayerNorm(h) + b_p. LayerNorm has no gain
        and shift of its own, as W_p and b_p take them in.
    alpha: factor of the score g(z), linear in z, in the sample weights softmax(alpha g(z)).
    l2_weight: lambda, the factor of ||theta||^2. Theta is projection and classifier with their
        biases, but not g.
    kl_weight: mu, the factor of KL(w || u), the divergence of the weights from uniform ones.
    feature_extraction: False classifies and scores h itself, without LayerNorm and projection.
    weighting: False weighs all samples alike.
    regularization: False sets lambda and mu to 0.
    stop_gradient: True keeps the loss from moving the weights, so that only the divergence trains
        g, towards uniform weights. The step is then the gradient of no function; it needs "adam".

    The source names no optimiser, no number of epochs and no batch, so these defaults are ours:

    optimizer: "lbfgs" takes all samples at once and needs no learning rate. "adam" can take batches
        and stop_gradient.
    epochs: of adam; for lbfgs, the most iterations that it may take.
    learning_rate: of adam.
    batch_size: samples of a batch, None for all. In a batch, the softmax and the uniform weights
        are over its own samples, and the penalty counts in full.
    tol: lbfgs stops when the largest component of the gradient falls below it.
    seed: of the first weights and of the order of the batches. The source's seeds are 42, 123, 456,
        789 and 1024. On a CPU equal seeds give equal bits.
    device: where PyTorch trains, "cpu" or "cuda". Predictions are made by NumPy.

    A fit sets `projection_` (d', d), `projection_bias_` (d',), `scorer_` (d',), `coef_`
    (classes, d'), `intercept_` (classes,), `classes_`, `weights_` (N,), which are the weights of
    the training samples under a softmax over all of them, `losses_`, the course of the objective,
    and `n_iter_`. Without feature extraction there is no projection, and d' is d.
    """

    dimension: int = 128
    alpha: float = 1.71
    l2_weight: float = 0.0097
    kl_weight: float = 0.048
    feature_extraction: bool = True
    weighting: bool = True
    regularization: bool = True
    stop_gradient: bool = False
    optimizer: str = "lbfgs"
    epochs: int = 200
    learning_rate: float = 1e-3
    batch_size: int | None = None
    tol: float = 1e-4
    seed: int = 0
    device: str = "cpu"

    def __sklearn_tags__(self) -> Any:
        """Promise scikit-learn's checks no score, as the minimum may give up classes."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags

    def check_parameters(self) -> None:
        """Raise UsageError for a value that no fit can use, or options that exclude each other."""
        for name in ("dimension", "epochs"):
            check_whole("visifin", name, getattr(self, name))
        for name in ("alpha", "learning_rate", "tol"):
            check_positive("visifin", name, getattr(self, name))
        for name in ("l2_weight", "kl_weight"):
            if isinstance(getattr(self, name), bool) or getattr(self, name) != 0:
                check_positive("visifin", name, getattr(self, name))
        for name in ("feature_extraction", "weighting", "regularization", "stop_gradient"):
            check_flag("visifin", name, getattr(self, name))
        check_whole("visifin", "seed", self.seed, least=0)
        check_choice("visifin", "optimizer", self.optimizer, OPTIMIZERS)
        if self.batch_size is not None:
            check_whole("visifin", "batch_size", self.batch_size)
        if self.optimizer == "lbfgs" and (self.batch_size is not None or self.stop_gradient):
            raise UsageError(
                "The visifin head's lbfgs needs the whole gradient over all samples, so it takes "
                "neither batch_size nor stop_gradient: set optimizer to 'adam'."
            )

    def fit(self, X: Any, y: Any) -> VisiFinHead:
        """Fit to features (N, d) and class labels (N,); return the head itself.

        Raises UsageError for a parameter that no fit can use or a device that is not there,
        SamplesError for samples that no fit can use, and A2pipeError if training diverges.
        """
        self.check_parameters()
        X, y = check_samples(self, X, y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        network = self._train(X, labels)
        # A saved head is all its attributes that end in "_", so none may be left over.
        for name in {"projection_", "projection_bias_"} & vars(self).keys():
            delattr(self, name)
        for name, tensor in network.items():
            setattr(self, f"{name}_", tensor.detach().cpu().numpy().copy())
        self.weights_ = softmax(self._terms().alpha * (self._embed(X) @ self.scorer_))
        return self

    def decision_function(self, X: Any) -> Floats:
        """Return logits (N, classes); of two classes the second's less the first's, (N,)."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most likely class of each sample, (N,)."""
        likely = np.argmax(self._logits(X), axis=1)
        return np.asarray(self.classes_[likely])

    def predict_proba(self, X: Any) -> Floats:
        """Return class probabilities, (N, classes), whose rows sum to 1."""
        return np.asarray(softmax(self._logits(X), axis=1))

    def predict_log_proba(self, X: Any) -> Floats:
        """Return the logarithm of `predict_proba`, (N, classes)."""
        return np.asarray(log_softmax(self._logits(X), axis=1))

    def _train(self, X: Floats, labels: NDArray[np.int64]) -> Network:
        """Train and return the network; set losses_ and n_iter_."""
        import torch

        from . import visifin_training as training

        device = training.find_device(self.device)
        dimension = self.dimension if self.feature_extraction else None
        dtype = torch.float32 if X.dtype == np.float32 else torch.float64
        first = training.new_network(X.shape[1], dimension, len(self.classes_), self.seed, dtype)
        network = {name: tensor.to(device) for name, tensor in first.items()}
        schedule = training.Schedule(
            self.optimizer, self.epochs, self.learning_rate, self.batch_size, self.tol, self.seed
        )
        # With several threads PyTorch adds in another order, and equal seeds would give other bits.
        # It has to be imported by now, as threadpoolctl limits the libraries that are loaded.
        with threadpool_limits(1):
            terms, batch = self._terms(), self._batch(X, labels)
            course = training.train(network, terms, schedule, batch, len(X))
        self.losses_ = np.array(course)
        # The course of lbfgs begins with the value before its first iteration.
        self.n_iter_ = len(course) - (self.optimizer == "lbfgs")
        return network

    def _terms(self) -> Terms:
        from .visifin_training import Terms

        return Terms(
            alpha=self.alpha if self.weighting else 0.0,
            l2=self.l2_weight if self.regularization else 0.0,
            kl=self.kl_weight if self.regularization else 0.0,
            stop_gradient=self.stop_gradient,
        )

    def _batch(self, X: Floats, labels: NDArray[np.int64]) -> Batch:
        """Return a function that normalises the rows it is asked for, on the device."""
        import torch

        def batch(rows: NDArray[np.int64] | None) -> tuple[Any, Any]:
            h, y = (X, labels) if rows is None else (X[rows], labels[rows])
            # PyTorch shares memory with the array, and warns if it may not write to it.
            h = np.require(self._normalise(h), requirements=["C", "W"])
            return torch.from_numpy(h).to(self.device), torch.from_numpy(y).to(self.device)

        return batch

    def _normalise(self, X: Floats) -> Floats:
        """Return LayerNorm(h), or h itself without feature extraction."""
        return layer_norm(X) if self.feature_extraction else X

    def _embed(self, X: Floats) -> Floats:
        """Return z, (N, d')."""
        h = self._normalise(X)
        if not self.feature_extraction:
            return h
        return np.asarray(h @ self.projection_.T + self.projection_bias_)

    def _logits(self, X: Any) -> Floats:
        check_is_fitted(self)
        X = check_features(self, X)
        return np.asarray(self._embed(X) @ self.coef_.T + self.intercept_)


def layer_norm(X: Floats) -> Floats:
    """Return features (N, d) with zero mean and unit variance over each sample."""
    centred = X - X.mean(axis=1, keepdims=True)
    variance = np.mean(np.square(centred), axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + X.dtype.type(EPSILON)))
