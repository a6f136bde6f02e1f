"""Embeddings taken into the space shared with text, crop by crop."""

import numpy as np
import pytest

from a2pipe.errors import A2pipeError
from a2pipe.heads.fitting.projection import project

RNG = np.random.default_rng(0)
PROJECTION = RNG.normal(size=(5, 3)).astype(np.float32)


@pytest.mark.parametrize("crops", [1, 3])
def test_every_crop_is_projected_by_itself(crops):
    X = RNG.normal(size=(4, 5 * crops)).astype(np.float32)
    expected = np.zeros((4, 3 * crops))
    for sample in range(4):
        for crop in range(crops):
            embedding = X[sample, 5 * crop : 5 * crop + 5].astype(float)
            expected[sample, 3 * crop : 3 * crop + 3] = embedding @ PROJECTION.astype(float)
    projected = project(X, PROJECTION)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(projected, expected, atol=1e-6)


@pytest.mark.parametrize("length", [0, 3, 7])
def test_features_of_another_length_are_refused(length):
    with pytest.raises(A2pipeError, match=f"length {length} are no embeddings of 5"):
        project(np.zeros((2, length), np.float32), PROJECTION)
