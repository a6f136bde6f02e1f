"""Position embeddings at other input sizes."""

import numpy as np
import pytest
import torch

from a2pipe.models.positions import resample_offset


def cubic(distance: float) -> float:
    """Keys' kernel with a = -0.75, as torch has it."""
    x = abs(distance)
    if x <= 1:
        return 1.25 * x**3 - 2.25 * x**2 + 1
    return -0.75 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def line(side: int, grid: int) -> np.ndarray:
    """Weights (grid, side) of one axis: half-pixel centres under the scale (grid + 0.1) / side."""
    weights = np.zeros((grid, side))
    for target in range(grid):
        centre = (target + 0.5) * side / (grid + 0.1) - 0.5
        base = int(np.floor(centre))
        for source in range(base - 1, base + 3):
            weights[target, min(max(source, 0), side - 1)] += cubic(centre - source)
    return weights


@pytest.mark.parametrize(("side", "grid"), [(9, 4), (5, 7), (37, 16)])
def test_the_offset_rule_is_bicubic_with_a_tenth_of_a_patch(side, grid) -> None:
    native = torch.randn((1, 1 + side * side, 4), generator=torch.Generator().manual_seed(0))
    square = native[0, 1:].reshape(side, side, 4).double().numpy()
    axis = line(side, grid)
    expected = np.einsum("ai,bj,ijd->abd", axis, axis, square).reshape(-1, 4)
    found = resample_offset(native, grid, prefix=1)
    np.testing.assert_allclose(found[0, 1:], expected, atol=2e-5)
    assert torch.equal(found[:, :1], native[:, :1])


def test_the_rule_of_the_hub_differs_from_timms(tiny, backbone_of, pixels) -> None:
    module = tiny("dinov2")
    timms, hubs = (backbone_of(module, positions=rule) for rule in ("antialias", "offset"))
    np.testing.assert_array_equal(timms.embed(pixels(126)), hubs.embed(pixels(126)))
    assert np.abs(timms.embed(pixels(98)) - hubs.embed(pixels(98))).max() > 1e-3
