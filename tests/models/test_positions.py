"""Position embeddings at other input sizes."""

import json
from typing import Any

import numpy as np
import pytest
import timm
import torch

from a2pipe.models.architecture import architecture_of
from a2pipe.models.positions import resample_offset, set_input_size
from a2pipe.models.zoo.names import resolve


def cubic(distance: float, a: float = -0.75) -> float:
    """Keys' kernel; torch has a = -0.75, and -0.5 where it antialiases."""
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def without_antialiasing(side: int, grid: int) -> np.ndarray:
    """Weights (grid, side) of one axis: half-pixel centres under the scale (grid + 0.1) / side."""
    weights = np.zeros((grid, side))
    for target in range(grid):
        centre = (target + 0.5) * side / (grid + 0.1) - 0.5
        base = int(np.floor(centre))
        for source in range(base - 1, base + 3):
            weights[target, min(max(source, 0), side - 1)] += cubic(centre - source)
    return weights


def antialiased(side: int, grid: int) -> np.ndarray:
    """Weights (grid, side) of one axis: where it shrinks, the kernel (a = -0.5) is stretched to the
    source and normalised."""
    weights = np.zeros((grid, side))
    stretch = max(side / grid, 1.0)
    for target in range(grid):
        centre = (target + 0.5) * side / grid
        first, last = int(centre - 2 * stretch + 0.5), int(centre + 2 * stretch + 0.5)
        for source in range(max(first, 0), min(last, side)):
            weights[target, source] = cubic((source - centre + 0.5) / stretch, -0.5)
        weights[target] /= weights[target].sum()
    return weights


def by_hand(native: torch.Tensor, axis: np.ndarray) -> np.ndarray:
    """Patch positions (1, n * n, D) resampled along both axes: (g * g, D)."""
    side = axis.shape[1]
    square = native[0, -side * side :].reshape(side, side, -1).double().numpy()
    return np.einsum("ai,bj,ijd->abd", axis, axis, square).reshape(len(axis) ** 2, -1)


@pytest.mark.parametrize(("side", "grid"), [(9, 4), (5, 7), (37, 16)])
def test_the_offset_rule_is_bicubic_with_a_tenth_of_a_patch(side, grid) -> None:
    native = torch.randn((1, 1 + side * side, 4), generator=torch.Generator().manual_seed(0))
    found = resample_offset(native, grid, prefix=1)
    expected = by_hand(native, without_antialiasing(side, grid))
    np.testing.assert_allclose(found[0, 1:], expected, atol=2e-5)
    assert torch.equal(found[:, :1], native[:, :1])


def test_dinov2_at_224_is_resampled_as_its_authors_do(sharpened) -> None:
    """From 37 x 37 to 16 x 16: with registers antialiased, without them by the hub's offset."""
    for name, rule in (("dinov2_vits14", "offset"), ("dinov2_vits14_reg", "antialias")):
        entry = resolve(name)
        assert entry.positions == rule
        module: Any = sharpened(timm.create_model(entry.timm, num_classes=0, depth=1))
        native = module.pos_embed.clone()
        set_input_size(module, native, 518, 224, entry.positions)
        line = {"offset": without_antialiasing, "antialias": antialiased}[rule](37, 16)
        found = module.pos_embed[0, -256:]
        np.testing.assert_allclose(found, by_hand(native, line), atol=2e-5)


def test_the_rule_is_in_the_spec_under_a_hub_name_and_timms_under_timms() -> None:
    rules = {
        "dinov2_vits14": "offset",
        "dinov2_vits14_reg": "antialias",
        "dino_vits16": "offset",
        "vit_small_patch14_dinov2.lvd142m": "antialias",
        "vit_small_patch16_224.dino": "antialias",
    }
    for name, rule in rules.items():
        described = json.loads(architecture_of(resolve(name), None).canonical())
        assert described["positions"] == rule


def test_at_224_the_two_rules_are_far_apart(sharpened, backbone_of, pixels) -> None:
    module = sharpened(timm.create_model("vit_small_patch14_dinov2", num_classes=0, depth=3))
    timms, hubs = (
        backbone_of(module, positions=rule).embed(pixels(224)) for rule in ("antialias", "offset")
    )
    assert np.linalg.norm(timms - hubs) > 0.05 * np.linalg.norm(hubs)


def test_the_rules_agree_at_the_native_size(tiny, backbone_of, pixels) -> None:
    module = tiny("dinov2")
    timms, hubs = (backbone_of(module, positions=rule) for rule in ("antialias", "offset"))
    np.testing.assert_array_equal(timms.embed(pixels(126)), hubs.embed(pixels(126)))
