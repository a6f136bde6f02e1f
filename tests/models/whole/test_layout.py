"""How networks lay out their features, found without any memory and without their weights."""

import pytest
import timm
import torch

from a2pipe.errors import UsageError
from a2pipe.models.whole.layout import Layout, find_layout


def outlined(name: str):
    with torch.device("meta"):
        return timm.create_model(name, num_classes=0)


@pytest.mark.parametrize(
    ("name", "side", "layout"),
    [
        ("test_resnet", 160, Layout(32, 96, 96, fixed=False)),
        ("test_convnext", 160, Layout(32, 64, 64, fixed=False)),
        ("test_mambaout", 160, Layout(32, 64, 256, fixed=False)),
        ("resnet50", 224, Layout(32, 2048, 2048, fixed=False)),
        ("mobilenetv3_small_050", 224, Layout(32, 288, 1024, fixed=False)),
        ("convmixer_1024_20_ks9_p14", 224, Layout(14, 1024, 1024, fixed=False)),
        ("efficientnet_b1", 240, Layout(32, 1280, 1280, fixed=False)),
        ("swin_tiny_patch4_window7_224", 224, Layout(32, 128, 128, fixed=True)),
        ("beit_base_patch16_224", 224, Layout(16, 48, 48, fixed=True)),
    ],
)
def test_the_layout_of_a_network(name, side, layout) -> None:
    assert find_layout(outlined(name), name, side) == layout


def test_a_layout_is_that_of_a_real_pass(whole, network_of) -> None:
    """A network with memory gives what one without it says."""
    module = network_of(whole)
    side = module.pretrained_cfg["input_size"][-1]
    found = find_layout(outlined(whole), whole, side)
    features = module.forward_features(torch.zeros(1, 3, side, side))
    pooled = module.forward_head(features, pre_logits=True)
    assert pooled.shape == (1, found.native_dim)
    assert found.dim in features.shape[1:]
    prefix = getattr(module, "num_prefix_tokens", 0)
    cells = features.numel() // found.dim - prefix
    assert cells == (side // found.stride) ** 2


@pytest.mark.parametrize("name", ["crossvit_18_240", "pit_ti_224", "inception_v3"])
def test_a_network_without_a_square_grid_is_refused_in_a_sentence(name) -> None:
    module = outlined(name)
    with pytest.raises(UsageError, match=f"^{name} .* gives no square grid") as refusal:
        find_layout(module, name, module.pretrained_cfg["input_size"][-1])
    assert "\n" not in str(refusal.value)


def test_a_network_that_pools_nothing_has_no_native_pool() -> None:
    module = outlined("test_resnet")
    module.forward_head = None
    assert find_layout(module, "x", 160).native_dim == 0
