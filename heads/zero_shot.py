"""Zero-shot classification (A², section 3.2): the class whose prompt is nearest to the image.

An image's feature is its CLS embedding, projected into the space shared with text and scaled to
unit length; a class's is the embedding of its prompt. What is learned lies in the text tower, so
that `fit` learns nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import normalize
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..errors import A2pipeError, UsageError
from .fitting.projection import project

Floats = NDArray[np.float64] | NDArray[np.float32]

TEMPLATE = "a photo of a {}"
CLIP_SCALE = 100.0
PRECISIONS = (np.float32, np.float64)


class ZeroShotHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Cosine of projected image features with the text features of the classes.

    templates: prompts with {} for the class; the unit features of several are averaged and scaled
        to unit length again.
    class_names: what the classes are called in prompts; None leaves it to the dataset.
    combine: None refuses samples of more than one crop, of which the paper has none; "mean"
        averages the unit features of the crops and scales to unit length again.
    logit_scale: what cosines are multiplied by in `predict_proba`; CLIP's own is 100. It changes no
        prediction.
    text: float (C, e), unit features of the classes. projection: float (d, e); None stands for
        features that are projected already. classes: the labels of the rows of `text`; None takes
        those of `y`, sorted. The pipeline gives the three of them; elsewhere they are needed to
        fit, and templates and class_names merely say where `text` comes from.
    """

    arrays: ClassVar[tuple[str, ...]] = ("text", "projection", "classes")

    def __init__(
        self,
        templates: Sequence[str] = (TEMPLATE,),
        class_names: Sequence[str] | None = None,
        combine: str | None = None,
        logit_scale: float = CLIP_SCALE,
        text: Floats | None = None,
        projection: Floats | None = None,
        classes: NDArray[Any] | None = None,
    ) -> None:
        self.templates = templates
        self.class_names = class_names
        self.combine = combine
        self.logit_scale = logit_scale
        self.text = text
        self.projection = projection
        self.classes = classes

    def check_parameters(self) -> None:
        """Raise UsageError for a value that cannot be used; the arrays need not be there yet."""
        _check_texts("templates", self.templates)
        for template in self.templates:
            if template.count("{}") != 1:
                raise UsageError(f"A zero-shot template has {{}} once, unlike {template!r}.")
        if self.class_names is not None:
            _check_texts("class_names", self.class_names)
        if self.combine not in (None, "mean"):
            raise UsageError(
                f'The zero-shot head combines crops by "mean" or not at all, not {self.combine!r}.'
            )
        _check_scale(self.logit_scale)

    def fit(self, X: Any, y: Any) -> ZeroShotHead:
        """Check features (N, crops * d) against the arrays, and labels (N,) against the classes.

        Nothing is learned: any sample of each class would do. Raises A2pipeError if features or
        labels are not those that the arrays were made for.
        """
        self.check_parameters()
        X, y = validate_data(self, X, y, dtype=PRECISIONS)
        check_classification_targets(y)
        self.text_ = self._checked_text()
        self.classes_ = self._checked_classes(y)
        self.projection_ = None if self.projection is None else np.asarray(self.projection)
        self._features(X[:1])
        return self

    def cosine(self, X: Any) -> Floats:
        """Cosine of each sample with each class, (N, C), in [-1, 1]."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=PRECISIONS, reset=False)
        text: Floats = self.text_.astype(X.dtype, copy=False)
        return np.asarray(self._features(X) @ text.T)

    def decision_function(self, X: Any) -> Floats:
        """`cosine`; of two classes, as scikit-learn has it, (N,): the second less the first."""
        cosine = self.cosine(X)
        return cosine[:, 1] - cosine[:, 0] if cosine.shape[1] == 2 else cosine

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of largest cosine, (N,); of classes that tie, the first."""
        nearest = self.cosine(X).argmax(axis=1)
        return np.asarray(self.classes_[nearest])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Softmax of the scaled cosines, (N, C)."""
        return np.asarray(softmax(self._logits(X), axis=1))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Logarithm of `predict_proba`."""
        return np.asarray(log_softmax(self._logits(X), axis=1))

    def _logits(self, X: Any) -> NDArray[np.float64]:
        """In float64: at CLIP's scale, probabilities are too small for float32."""
        return self.logit_scale * self.cosine(X).astype(np.float64)

    def _features(self, X: Floats) -> Floats:
        """Unit features of samples, (N, e)."""
        shared = self.text_.shape[1]
        projected: NDArray[Any] = X
        if self.projection_ is not None:
            projected = project(X, self.projection_)
        if projected.shape[1] % shared:
            raise A2pipeError(
                f"Image features of length {projected.shape[1]} have no cosine with text features "
                f"of length {shared}; give a projection to that length."
            )
        crops = projected.shape[1] // shared
        if crops > 1 and self.combine is None:
            raise UsageError(
                f"Zero-shot reads one crop, and these features have {crops}; "
                'name one crop size, or set combine = "mean".'
            )
        unit: Floats = np.asarray(normalize(projected.reshape(-1, shared)))
        if crops == 1:
            return unit
        return np.asarray(normalize(unit.reshape(len(X), crops, shared).mean(axis=1)))

    def _checked_text(self) -> Floats:
        if self.text is None:
            raise A2pipeError(
                "The zero-shot head needs text features of the classes; give them as `text`, or "
                "let the pipeline embed the prompts."
            )
        text: NDArray[Any] = np.asarray(self.text)
        if text.ndim != 2 or not np.isfinite(text).all():
            raise A2pipeError("The zero-shot head's text features are finite numbers (C, e).")
        return np.asarray(normalize(text))

    def _checked_classes(self, y: NDArray[Any]) -> NDArray[Any]:
        """Labels of the rows of text."""
        found = np.unique(y)
        known = found if self.classes is None else np.asarray(self.classes)
        if len(known) != len(self.text_):
            raise A2pipeError(
                f"There are {len(self.text_)} text features for {len(known)} classes; "
                "zero-shot needs one a class."
            )
        if not np.isin(found, known).all():
            stranger = found[~np.isin(found, known)][0]
            raise A2pipeError(f"No text feature stands for the class {stranger!r} of the samples.")
        return known


def _check_texts(name: str, values: Any) -> None:
    right = isinstance(values, list | tuple) and all(isinstance(v, str) for v in values)
    if not right or not all(value.strip() for value in values) or not values:
        raise UsageError(f"The zero-shot head's {name} is a list of texts, not {values!r}.")


def _check_scale(value: Any) -> None:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    if not right or not math.isfinite(value) or value <= 0:
        raise UsageError(f"The zero-shot head's logit_scale is a positive number, not {value!r}.")
