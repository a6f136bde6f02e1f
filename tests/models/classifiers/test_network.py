"""What a head reads, and where its gradient goes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from a2pipe.models.classifiers.design import Design
from a2pipe.models.classifiers.network import Tokens, build_classifier, chosen, settle
from a2pipe.models.outputs import Selection

DESIGN = Design("vit", "selective:2", 3, 16, 4, 24, 2, 2)
IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def classifier(**changes):
    return build_classifier(replace(DESIGN, **changes), 0).eval()


def test_pools_of_one_seed_start_from_the_same_weights():
    one, other = classifier(pool="cls").state_dict(), classifier(pool="mean").state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(build_classifier(DESIGN, 1).head.weight, one["head.weight"])


def test_building_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    classifier()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_gradient_reaches_the_chosen_entries_alone():
    """Against a loop in float64: weight 1/K on the K chosen patches of each channel."""
    patches = torch.randn(2, 16, 24, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 24, dtype=torch.float64)
    pooled = classifier().pooled(Tokens(None, patches))
    (pooled * weights).sum().backward()

    selected = chosen(patches, Selection("2")).numpy()
    expected, mean = np.zeros((2, 16, 24)), np.zeros((2, 24))
    for image in range(2):
        for channel in range(24):
            for patch in np.flatnonzero(selected[image, channel]):
                expected[image, patch, channel] = weights[image, channel] / 2
                mean[image, channel] += patches[image, patch, channel].item() / 2
    assert (selected.sum(axis=2) == 2).all()
    np.testing.assert_array_equal(patches.grad.numpy(), expected)
    np.testing.assert_allclose(pooled.detach().numpy(), mean, rtol=1e-14)


def test_all_patches_and_the_mean_have_the_same_bits_and_gradients():
    found = []
    for pool in ("mean", "selective:N", "selective:16:paper:centred"):
        network = classifier(pool=pool)
        logits = network(IMAGES)
        logits.square().sum().backward()
        found.append([logits, *(each.grad for each in network.parameters())])
    for other in found[1:]:
        for one, each in zip(found[0], other, strict=True):
            assert (one is None) is (each is None)
            assert one is None or torch.equal(one, each)


def test_cls_is_not_read_by_a_selective_head():
    network = classifier()
    tokens = network.tokens(IMAGES)
    assert tokens.cls.shape == (2, 24)
    assert torch.equal(network.pooled(tokens), network.pooled(Tokens(None, tokens.patches)))


def test_the_tokens_are_those_of_timm():
    network = classifier()
    tokens = network.tokens(IMAGES)
    expected = network.trunk.forward_features(IMAGES)
    torch.testing.assert_close(tokens.cls, expected[:, 0])
    torch.testing.assert_close(tokens.patches, expected[:, 1:])


@pytest.mark.parametrize(("windowed", "stays"), [((), True), ((1,), False)])
def test_in_windows_a_patch_depends_on_its_window_alone(windowed, stays):
    network = classifier(window=2, windowed=windowed)
    changed = IMAGES.clone()
    changed[:, :, 8:, 8:] += 1
    before, after = network.tokens(IMAGES).patches, network.tokens(changed).patches
    assert torch.equal(before[:, 0], after[:, 0]) is stays
    assert not torch.equal(before[:, 15], after[:, 15])


def test_low_precision_ends_before_the_final_norm():
    network = settle(classifier(), torch.device("cpu"), "bf16")
    tokens, exact = network.tokens(IMAGES), classifier().tokens(IMAGES)
    assert tokens.patches.dtype == network(IMAGES).dtype == torch.float32
    assert 0 < (tokens.patches - exact.patches).abs().max() < 0.1


def test_a_resnet_gives_the_cells_of_its_last_grid():
    network = build_classifier(Design("resnet18", "selective:1", 3, 64), 0).eval()
    tokens = network.tokens(torch.zeros(1, 3, 64, 64))
    assert tokens.cls is None
    assert tokens.patches.shape == (1, 4, 512)
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
