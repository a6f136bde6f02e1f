"""The control: never saw an image, the same everywhere."""

import torch
from timm.models.vision_transformer import VisionTransformer

from a2pipe.models.identity import identify
from a2pipe.models.weights.random_init import random_tensors


def outlined() -> VisionTransformer:
    with torch.device("meta"):
        return VisionTransformer(
            img_size=48, patch_size=8, embed_dim=96, depth=4, num_heads=3, num_classes=0
        )


def test_the_control_has_the_same_bits_on_every_machine() -> None:
    assert identify("demo_localizer_s_random").weights == "a2886f19f86f6fb479b66bde097df04b"


def test_tensors_are_spread_as_timm_initialises() -> None:
    tensors = random_tensors(outlined())
    assert tensors.keys() == outlined().state_dict().keys()
    assert abs(tensors["blocks.0.attn.qkv.weight"].std() - 0.02) < 2e-4
    assert tensors["patch_embed.proj.weight"].abs().max() <= (3 * 8 * 8) ** -0.5
    assert (tensors["blocks.3.norm2.weight"] == 1).all()
    assert (tensors["blocks.3.mlp.fc1.bias"] == 0).all()
    assert tensors["cls_token"].abs().max() < 1e-5


def test_another_seed_draws_others() -> None:
    one, other = (random_tensors(outlined(), seed)["pos_embed"] for seed in (0, 1))
    assert not torch.equal(one, other)
