"""Localisation of maps of known shape."""

import numpy as np

from a2pipe.stages.localization import localize
from a2pipe.stages.specs import AttentionSpec, MapSpec, ModelSpec

MODEL = ModelSpec("{}", "0", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
MAP = MapSpec(AttentionSpec(MODEL, 32, 1))


def rows(patches):
    """CLS rows of two heads over a 4 x 4 grid, with one prefix token that takes half of it."""
    patches = np.asarray(patches, np.float32).reshape(len(patches), 16)
    patches /= 2 * patches.sum(1, keepdims=True)
    row = np.concatenate([np.full((len(patches), 1), 0.5, np.float32), patches], axis=1)
    return np.stack([row, row], axis=1)


def test_uniform_attention_has_the_mass_of_the_box():
    truth = [np.array([[0.0, 0.0, 16.0, 8.0]])]
    content, arrays = localize(MAP, rows(np.ones((1, 16))), 1, 32, truth, np.empty((0, 1, 4), int))
    np.testing.assert_allclose(content["mass"], 16 * 8 / 32**2)
    assert content["hit"] == 1.0
    assert "crop_hit" not in content
    assert arrays["mass"].shape == (1,)


def test_a_single_patch_is_hit_by_the_box_around_it_alone():
    peak = np.zeros((2, 16))
    peak[:, 5] = 1
    truth = [np.array([[8.0, 8.0, 16.0, 16.0]]), np.array([[20.0, 20.0, 32.0, 32.0]])]
    crops = np.array([[[8, 8, 16, 16], [0, 0, 8, 8]]], np.int32)
    content, arrays = localize(MAP, rows(peak), 1, 32, truth, crops)
    assert arrays["hit"].tolist() == [1, 0]
    assert arrays["coverage"].tolist() == [1, 0]
    assert content["crop_hit"] == 0.5
    assert content["n"] == 2
