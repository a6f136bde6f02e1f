"""The same weights in Hugging Face transformers, with eager attention: an oracle for each family
that shares no code with timm.

Every network has the depth, width and heads of ViT-S, sees 224 px, and has random weights with
which the rows of the softmax are far from uniform.
"""

import math
import re
from typing import Any

import numpy as np
import pytest
import timm
import torch
import transformers

VIT_S: dict[str, Any] = {"embed_dim": 384, "depth": 12, "num_heads": 6, "num_classes": 0}
COMMON: dict[str, Any] = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "intermediate_size": 1536,
    "hidden_act": "gelu",
}
SIXTEEN = {"image_size": 224, "patch_size": 16}
ATTENTION_ERROR, EMBEDDING_ERROR, ENTROPY = 1e-5, 1e-4, 0.8

VIT = [
    (r"^blocks\.", "layers."),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.attn\.", ".attention."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"^norm\.", "layernorm."),
    (r"^patch_embed\.proj", "embeddings.patch_embeddings.projection"),
    (r"^cls_token", "embeddings.cls_token"),
    (r"^pos_embed", "embeddings.position_embeddings"),
]
DINOV2 = [
    (r"^blocks\.", "encoder.layer."),
    (r"\.norm([12])\.", r".norm\1."),
    (r"\.ls([12])\.gamma", r".layer_scale\1.lambda1"),
    (r"^reg_token", "embeddings.register_tokens"),
    *(rule for rule in VIT if "norm1" not in rule[0] and "norm2" not in rule[0]),
]
DINOV3 = [
    (r"^blocks\.", "model.layer."),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.attn\.", ".attention."),
    (r"\.gamma_([12])", r".layer_scale\1.lambda1"),
    (r"mlp\.fc1", "mlp.up_proj"),
    (r"mlp\.fc2", "mlp.down_proj"),
    (r"^patch_embed\.proj", "embeddings.patch_embeddings"),
    (r"^cls_token", "embeddings.cls_token"),
    (r"^reg_token", "embeddings.register_tokens"),
]
CLIP = [
    (r"^blocks\.", "encoder.layers."),
    (r"\.attn\.proj\.", ".self_attn.out_proj."),
    (r"\.attn\.", ".self_attn."),
    (r"\.norm([12])\.", r".layer_norm\1."),
    (r"^norm_pre\.", "pre_layrnorm."),
    (r"^norm\.", "post_layernorm."),
    (r"^patch_embed\.proj", "embeddings.patch_embedding"),
    (r"^cls_token", "embeddings.class_embedding"),
    (r"^pos_embed", "embeddings.position_embedding.weight"),
]

SIGLIP = [
    (r"^attn_pool\.latent", "head.probe"),
    (r"^attn_pool\.qkv\.", "head.attention.in_proj_"),
    (r"^attn_pool\.proj\.", "head.attention.out_proj."),
    (r"^attn_pool\.norm\.", "head.layernorm."),
    (r"^attn_pool\.", "head."),
    *CLIP,
]


def translated(module, rules) -> dict[str, torch.Tensor]:
    """timm's state dict under the names that transformers uses."""
    state = dict(split_projections(module.state_dict()))
    if "reg_token" in state and "pos_embed" in state:  # timm folds the CLS position into the token
        zero = torch.zeros_like(state["cls_token"])
        state["pos_embed"] = torch.cat([zero, state["pos_embed"]], dim=1)
    return {renamed(name, rules): value for name, value in state.items()}


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


def dinov1():
    """Also iBOT, which has the same network."""
    ours = timm.create_model("vit_small_patch16_224.dino", **VIT_S)
    config = transformers.ViTConfig(**COMMON, **SIXTEEN, layer_norm_eps=1e-6)
    return ours, transformers.ViTModel(config), VIT


def dinov2():
    ours = timm.create_model("vit_small_patch14_dinov2", img_size=224, **VIT_S)
    config = transformers.Dinov2Config(**COMMON, image_size=224, patch_size=14)
    return ours, transformers.Dinov2Model(config), DINOV2


def dinov2_with_registers():
    """From 37 x 37 positions to 16 x 16, so that the resampling is held too."""
    ours = timm.create_model("vit_small_patch14_reg4_dinov2", **VIT_S)
    config = transformers.Dinov2WithRegistersConfig(**COMMON, image_size=518, patch_size=14)
    return ours, transformers.Dinov2WithRegistersModel(config), DINOV2


def dinov3():
    ours = timm.create_model("vit_small_patch16_dinov3_qkvb", **VIT_S)
    config = transformers.DINOv3ViTConfig(
        **COMMON, **SIXTEEN, num_register_tokens=4, layer_norm_eps=1e-5
    )
    return ours, transformers.DINOv3ViTModel(config), DINOV3


def mae():
    """The encoder with nothing masked."""
    ours = timm.create_model("vit_base_patch16_224.mae", **VIT_S)
    config = transformers.ViTMAEConfig(**COMMON, **SIXTEEN, layer_norm_eps=1e-6, mask_ratio=0.0)
    return ours, transformers.ViTMAEModel(config), VIT


def openclip():
    ours = timm.create_model("vit_base_patch16_clip_224.laion2b", **VIT_S)
    config = transformers.CLIPVisionConfig(**COMMON, **SIXTEEN, layer_norm_eps=1e-5)
    return ours, transformers.CLIPVisionModel(config), CLIP


def loaded(theirs, state):
    """transformers' network with these weights, all of them and no others."""
    wanted = theirs.state_dict()
    fitting = {name: value.reshape(wanted[name].shape) for name, value in state.items()}
    found = theirs.load_state_dict(fitting, strict=False)
    assert not found.unexpected_keys
    assert all("mask_token" in name or "pooler" in name for name in found.missing_keys)
    theirs.set_attn_implementation("eager")
    return theirs.eval()


def expected(theirs, images) -> tuple[list[torch.Tensor], torch.Tensor]:
    """CLS rows of every block and the CLS embedding, as transformers has them."""
    inputs: dict[str, Any] = {"pixel_values": images, "output_attentions": True}
    if isinstance(theirs, transformers.ViTMAEModel):
        patches = theirs.embeddings.patch_embeddings.num_patches
        inputs["noise"] = torch.arange(patches).expand(len(images), -1) / patches
    with torch.no_grad():
        output = theirs(**inputs)
    clip = isinstance(theirs, transformers.CLIPVisionModel)
    features = output.pooler_output if clip else output.last_hidden_state[:, 0]
    return [attention[:, :, 0] for attention in output.attentions], features


def mean_normalized_entropy(rows: np.ndarray) -> float:
    """1 for uniform rows, 0 for one-hot ones."""
    logs = np.log(rows, where=rows > 0, out=np.zeros_like(rows))
    return float(-(rows * logs).sum(-1).mean() / math.log(rows.shape[-1]))


GAINS = {
    dinov1: 2.1,
    dinov2: 1.8,
    dinov2_with_registers: 1.8,
    dinov3: 1.6,
    mae: 2.1,
    openclip: 2.25,
}


@pytest.mark.parametrize("family", GAINS, ids=lambda family: family.__name__)
def test_attention_and_embedding_agree(family, sharpened, backbone_of, normalized, pixels) -> None:
    ours, theirs, rules = family()
    sharpened(ours, GAINS[family])
    theirs = loaded(theirs, translated(ours, rules))
    images = pixels(224)
    attentions, features = expected(theirs, normalized(images))
    rows, embedding = backbone_of(ours).attention_and_embedding(images, range(1, 13))
    entropy = mean_normalized_entropy(rows[:, -1])
    errors = [np.abs(rows[:, b] - each.numpy()).max() for b, each in enumerate(attentions)]
    relative = np.linalg.norm(embedding - features.numpy()) / np.linalg.norm(features)
    print(f"{family.__name__}: entropy {entropy:.2f}, {max(errors):.1e}, {relative:.1e}")
    assert entropy < ENTROPY, "the check needs a sharp softmax"
    assert max(errors) <= ATTENTION_ERROR
    assert relative <= EMBEDDING_ERROR


def test_native_of_siglip_is_its_pooler(sharpened, backbone_of, normalized, pixels) -> None:
    """timm's SigLIP has the exact GELU, and so has the other network here."""
    ours = sharpened(timm.create_model("vit_base_patch16_siglip_224", **VIT_S))
    theirs = transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**COMMON, **SIXTEEN))
    state = ours.state_dict()
    for kind in ("weight", "bias"):
        parts = [state.pop(f"attn_pool.{name}.{kind}") for name in ("q", "kv")]
        state[f"attn_pool.qkv.{kind}"] = torch.cat(parts)
    pooling = {name: state.pop(name) for name in list(state) if name.startswith("attn_pool.")}
    given = {**dict(split_projections(state)), **pooling}
    theirs = loaded(theirs, {renamed(name, SIGLIP): value for name, value in given.items()})
    images = pixels(224)
    with torch.no_grad():
        expected = theirs(pixel_values=normalized(images)).pooler_output.numpy()
    found = backbone_of(ours).embed(images, "native")
    assert np.linalg.norm(found - expected) <= EMBEDDING_ERROR * np.linalg.norm(expected)
    patches = theirs(pixel_values=normalized(images)).last_hidden_state.mean(dim=1).detach().numpy()
    mean = backbone_of(ours).embed(images, "mean")
    assert np.linalg.norm(mean - patches) <= EMBEDDING_ERROR * np.linalg.norm(patches)
