"""A timm DINOv2 network as transformers builds it, with the same weights."""

from __future__ import annotations

import re
from typing import Any

import transformers

RULES = (
    (r"^blocks\.", "encoder.layer."),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.attn\.", ".attention."),
    (r"\.ls([12])\.gamma", r".layer_scale\1.lambda1"),
    (r"^norm\.", "layernorm."),
    (r"^patch_embed\.proj", "embeddings.patch_embeddings.projection"),
    (r"^cls_token", "embeddings.cls_token"),
    (r"^pos_embed", "embeddings.position_embeddings"),
)


def translated(module: Any, attention: str) -> Any:
    """module: timm's, at its input size. attention: the implementation, "eager" or "sdpa"."""
    config = transformers.Dinov2Config(
        hidden_size=module.embed_dim,
        num_hidden_layers=len(module.blocks),
        num_attention_heads=module.blocks[0].attn.num_heads,
        image_size=module.patch_embed.img_size[0],
        patch_size=module.patch_embed.patch_size[0],
    )
    model = transformers.Dinov2Model(config)
    found = model.load_state_dict(renamed(module.state_dict()), strict=False)
    assert not found.unexpected_keys
    assert found.missing_keys == ["embeddings.mask_token"]
    model.set_attn_implementation(attention)
    return model.eval().requires_grad_(False)


def renamed(state: dict[str, Any]) -> dict[str, Any]:
    """Queries, keys and values apart, and transformers' names."""
    split: dict[str, Any] = {}
    for name, tensor in state.items():
        if ".qkv." in name:
            parts = zip("qkv", tensor.chunk(3), strict=True)
            split |= {name.replace("qkv", f"{letter}_proj"): part for letter, part in parts}
        else:
            split[name] = tensor
    for pattern, replacement in RULES:
        split = {re.sub(pattern, replacement, name): tensor for name, tensor in split.items()}
    return split
