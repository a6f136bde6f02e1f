"""The same weights in Hugging Face transformers, as an oracle that shares no code with timm."""

import re

import numpy as np
import pytest
import timm
import torch
import transformers
from timm.models.vision_transformer import VisionTransformer

COMMON = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 3}
SMALL = {"embed_dim": 48, "depth": 3, "num_heads": 3, "num_classes": 0}
RENAMED = {
    "vit": [
        (r"^blocks\.", "layers."),
        (r"\.norm1\.", ".layernorm_before."),
        (r"\.norm2\.", ".layernorm_after."),
        (r"^norm\.", "layernorm."),
    ],
    "dinov2": [(r"^blocks\.", "encoder.layer."), (r"^norm\.", "layernorm.")],
    "dinov3": [
        (r"^blocks\.", "model.layer."),
        (r"mlp\.fc1", "mlp.up_proj"),
        (r"mlp\.fc2", "mlp.down_proj"),
        (r"^embeddings\.patch_embeddings\.projection", "embeddings.patch_embeddings"),
    ],
}
SHARED = [
    (r"^patch_embed\.proj", "embeddings.patch_embeddings.projection"),
    (r"^cls_token", "embeddings.cls_token"),
    (r"^reg_token", "embeddings.register_tokens"),
    (r"^pos_embed", "embeddings.position_embeddings"),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.attn\.", ".attention."),
    (r"\.ls([12])\.gamma", r".layer_scale\1.lambda1"),
    (r"\.gamma_([12])", r".layer_scale\1.lambda1"),
]


def translated(module, family: str) -> dict[str, torch.Tensor]:
    """timm's state dict under the names that transformers uses."""
    state = dict(split_projections(module.state_dict()))
    if family == "dinov2" and "reg_token" in state:  # timm folds the CLS position into the token
        zero = torch.zeros_like(state["cls_token"])
        state["pos_embed"] = torch.cat([zero, state["pos_embed"]], dim=1)
    return {renamed(name, SHARED + RENAMED[family]): value for name, value in state.items()}


def split_projections(state):
    for name, value in state.items():
        if ".qkv." in name:
            for letter, part in zip("qkv", value.chunk(3), strict=True):
                yield name.replace("qkv", f"{letter}_proj"), part
        elif name.endswith(("q_bias", "v_bias")):
            yield re.sub(r"([qv])_bias", r"\1_proj.bias", name), value
        else:
            yield name, value


def renamed(name: str, rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def vit():
    ours = VisionTransformer(img_size=48, patch_size=8, **SMALL)
    config = transformers.ViTConfig(
        **COMMON, intermediate_size=192, image_size=48, patch_size=8, layer_norm_eps=1e-6
    )
    return ours, transformers.ViTModel(config), "vit"


def dinov2():
    ours = timm.create_model("vit_small_patch14_dinov2", img_size=70, **SMALL)
    config = transformers.Dinov2Config(**COMMON, image_size=70, patch_size=14)
    return ours, transformers.Dinov2Model(config), "dinov2"


def registers():
    ours = timm.create_model("vit_small_patch14_reg4_dinov2", img_size=70, **SMALL)
    config = transformers.Dinov2WithRegistersConfig(**COMMON, image_size=70, patch_size=14)
    return ours, transformers.Dinov2WithRegistersModel(config), "dinov2"


def dinov3():
    ours = timm.create_model("vit_small_patch16_dinov3_qkvb", img_size=96, **SMALL)
    config = transformers.DINOv3ViTConfig(
        **COMMON, intermediate_size=192, image_size=96, patch_size=16, num_register_tokens=4
    )
    return ours, transformers.DINOv3ViTModel(config), "dinov3"


@pytest.mark.parametrize("pair", [vit, dinov2, registers, dinov3])
def test_attention_and_embedding_agree(pair, sharpened, backbone_of, normalized, pixels) -> None:
    ours, theirs, family = pair()
    sharpened(ours)
    found = theirs.load_state_dict(translated(ours, family), strict=False)
    assert not found.unexpected_keys
    assert all("mask_token" in name or "pooler" in name for name in found.missing_keys)
    theirs.eval().set_attn_implementation("eager")
    images = pixels(ours.patch_embed.img_size[0])
    with torch.no_grad():
        expected = theirs(normalized(images), output_attentions=True)
    backbone = backbone_of(ours)
    rows = backbone.attention(images, [1, 2, 3])
    assert (rows.max(axis=-1) > 0.3).mean() > 0.25, "the check needs a sharp softmax"
    for index, attention in enumerate(expected.attentions):
        np.testing.assert_allclose(rows[:, index], attention[:, :, 0], atol=2e-5)
    embedding = expected.last_hidden_state[:, 0]
    np.testing.assert_allclose(backbone.embed(images), embedding, atol=1e-4)
