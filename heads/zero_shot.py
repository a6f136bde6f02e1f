"""Zero-shot classification (A², section 3.2) takes the class whose prompt is nearest.

The feature of an image is its CLS embedding, projected into the space shared with text and scaled
to unit length. The feature of a class is the embedding of its prompt. `fit` learns nothing: all
that is learned lies in the text tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from .fitting.samples import Floats
from .parameters import check_positive

TEMPLATE = "a photo of a {}"
CLIP_SCALE = 100.0
PRECISIONS = (np.float32, np.float64)


@dataclass(eq=False, repr=False)
class ZeroShotHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A ZeroShotHead takes cosines of projected image features with text features of classes.

    templates: prompts with {} in place of the class. The unit features of several templates are
        averaged and scaled to unit length again.
    class_names: what the classes are called in prompts; None takes the names of the dataset.
    combine: how the crops of a sample are combined. None refuses more than one crop, which the
        paper never uses; "mean" averages their unit features and scales to unit length again.
    logit_scale: factor of the cosines in `predict_proba`; CLIP's own is 100. It changes no
        prediction.
    text: float (C, e), unit features of the classes.
    projection: float (d, e); None if features are projected already.
    classes: labels of the rows of `text`; None takes those of `y`, sorted.

    The pipeline fills in the last three. Without it `text` has to be given, and templates and
    class_names only say where it comes from. A fit sets `text_`, `classes_` and `projection_`.
    """

    arrays: ClassVar[tuple[str, ...]] = ("text", "projection", "classes")

    templates: Sequence[str] = (TEMPLATE,)
    class_names: Sequence[str] | None = None
    combine: str | None = None
    logit_scale: float = CLIP_SCALE
    text: Floats | None = None
    projection: Floats | None = None
    classes: NDArray[Any] | None = None

    def check_parameters(self) -> None:
        """Raise UsageError for a value that no fit can use; arrays are checked by `fit` alone."""
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
        check_positive("zero-shot", "logit_scale", self.logit_scale)

    def fit(self, X: Any, y: Any) -> ZeroShotHead:
        """Check features (N, crops * d) against the arrays, and labels (N,) against the classes.

        Nothing is learned, so any sample of each class would do. Returns the head itself. Raises
        UsageError for a parameter that no fit can use, and A2pipeError if features or labels are
        not those that the arrays were made for.
        """
        self.check_parameters()
        X, y = validate_data(self, X, y, dtype=PRECISIONS)
        check_classification_targets(y)
        self.text_ = self._checked_text()
        self.classes_ = self._checked_classes(y)
        self.projection_ = None if self.projection is None else np.asarray(self.projection)
        # One sample shows whether features fit the arrays; the others are of the same width.
        self._features(X[:1])
        return self

    def cosine(self, X: Any) -> Floats:
        """Return the cosine of each sample with each class, (N, C), in [-1, 1]."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=PRECISIONS, reset=False)
        text: Floats = self.text_.astype(X.dtype, copy=False)
        return np.asarray(self._features(X) @ text.T)

    def decision_function(self, X: Any) -> Floats:
        """Return the cosines, (N, C); of two classes the second's less the first's, (N,)."""
        cosine = self.cosine(X)
        return cosine[:, 1] - cosine[:, 0] if cosine.shape[1] == 2 else cosine

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of largest cosine, the first of equals, for each sample, (N,)."""
        nearest = self.cosine(X).argmax(axis=1)
        return np.asarray(self.classes_[nearest])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the softmax of the scaled cosines, (N, C)."""
        return np.asarray(softmax(self._logits(X), axis=1))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithm of `predict_proba`, (N, C)."""
        return np.asarray(log_softmax(self._logits(X), axis=1))

    def _logits(self, X: Any) -> NDArray[np.float64]:
        """Return the scaled cosines, float64 (N, C)."""
        # At CLIP's scale of 100 some probabilities are too small for float32.
        return self.logit_scale * self.cosine(X).astype(np.float64)

    def _features(self, X: Floats) -> Floats:
        """Return the unit features of samples, (N, e): projected, and crops combined."""
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
        """Return the unit features of the classes; raise A2pipeError unless finite (C, e)."""
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
        """Return the labels of the rows of text, which have to cover all labels in y."""
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
