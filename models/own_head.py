"""Read the classification head that a model was trained with, which a backbone leaves out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .identity import locate_weights
from .zoo.names import resolve

PLACES = ("head", "head.fc", "heads.head", "fc")
"""A linear head has these names: in timm's ViTs, its ConvNeXts, torchvision's ViTs, and ResNets."""


@dataclass(frozen=True, eq=False)
class OwnHead:
    """An OwnHead is a linear classifier over a model's native pooling.

    weight: float64 (classes, dim). bias: float64 (classes,).
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    @property
    def classes(self) -> int:
        """Return how many classes it tells apart."""
        return len(self.weight)

    def predict(self, features: NDArray[Any]) -> NDArray[np.int64]:
        """Return the class of the largest logit of embeddings (N, dim): int64 (N,), the first."""
        logits = np.asarray(features, np.float64) @ self.weight.T + self.bias
        return np.asarray(logits.argmax(axis=1), np.int64)


def read_own_head(name: str, weights: Path | None = None) -> OwnHead:
    """Return the head in the weights file of a backbone, which is on this machine already.

    name, weights: as for `identify`.

    Raises UsageError for a model without a linear head in its file: one that was trained without
    labels, a control with random weights, or a distilled one, which has two.
    """
    path = locate_weights(resolve(name), weights, offline=True)
    if path is not None:
        from .weights.checkpoint import read_tensors

        tensors = read_tensors(path)
        found = next((each for each in PLACES if _is_linear(tensors, each)), None)
        if found and "head_dist.weight" not in tensors:
            weight, bias = (tensors[f"{found}.{part}"].double() for part in ("weight", "bias"))
            return OwnHead(weight.numpy(), bias.numpy())
    raise UsageError(
        f"{name} has no head of its own in {path or 'random weights'}: choose --head linear or "
        "nearest-mean, which are fitted on unmasked images."
    )


def _is_linear(tensors: dict[str, Any], name: str) -> bool:
    weight, bias = (tensors.get(f"{name}.{part}") for part in ("weight", "bias"))
    return weight is not None and bias is not None and weight.ndim == 2 and bias.ndim == 1
