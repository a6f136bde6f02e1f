"""Project CLS embeddings into the space that a model's images share with text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import A2pipeError


def project(X: Any, projection: NDArray[Any]) -> NDArray[Any]:
    """Return X with the CLS embedding of each crop projected; nothing is normalised.

    X: (N, crops * d), one crop after another. projection: (d, e). Returns (N, crops * e) in the
    precision of X. Raises A2pipeError unless the width of X is a multiple of d.
    """
    X = np.asarray(X)
    dim, shared = projection.shape
    if X.shape[1] == 0 or X.shape[1] % dim:
        raise A2pipeError(
            f"Features of length {X.shape[1]} are no embeddings of {dim}, which the projection "
            "takes; give features of the model that it belongs to."
        )
    crops = X.shape[1] // dim
    flat = X.reshape(-1, dim) @ projection.astype(X.dtype, copy=False)
    return np.asarray(flat.reshape(len(X), crops * shared))
