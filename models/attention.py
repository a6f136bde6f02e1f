"""The CLS row of the softmax attention of any block, for less than a forward pass.

Only the CLS token's query is formed and only that row of the softmax; the (tokens x tokens) matrix
never exists. The blocks that run keep timm's fused attention, and nothing runs after the last block
that was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from timm.layers.attention import Attention, AttentionRope
from timm.layers.pos_embed_sincos import apply_rot_embed_cat
from timm.models.eva import Eva, EvaAttention, EvaBlock, EvaBlockPostNorm
from timm.models.vision_transformer import Block, ResPostBlock, VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import linear

from ..errors import UsageError

PRE_NORM: tuple[type[nn.Module], ...] = (Block, EvaBlock)
POST_NORM: tuple[type[nn.Module], ...] = (ResPostBlock, EvaBlockPostNorm)
ATTENTIONS: tuple[type[nn.Module], ...] = (Attention, EvaAttention, AttentionRope)


def check_readable(module: nn.Module, name: str) -> None:
    """Raise UsageError, in one sentence, unless the CLS attention of `module` can be read."""
    kind = type(module).__name__
    if not isinstance(module, VisionTransformer | Eva):
        raise UsageError(
            f"{name} is a {kind}, not a vision transformer with a CLS token; choose a ViT such as "
            "dinov2_vits14_reg."
        )
    if module.cls_token is None:
        raise UsageError(
            f"{name} has no CLS token (it pools its patches), so there is no CLS attention to "
            "read; choose a ViT with a class token, such as dinov2_vits14_reg."
        )
    for block in module.blocks:
        attention = getattr(block, "attn", None)
        if type(block) not in PRE_NORM + POST_NORM or type(attention) not in ATTENTIONS:
            raise UsageError(
                f"{name} is made of {type(block).__name__} with {type(attention).__name__}, whose "
                "attention this package does not read; choose a plain ViT."
            )


def cls_attention(module: Any, images: Tensor, blocks: Sequence[int]) -> Tensor:
    """CLS rows of the softmax, prefix tokens included; every row sums to 1.

    images: float (B, 3, S, S), normalised. blocks: numbers from 1 to the depth, in any order.
    Returns float32 (B, len(blocks), heads, tokens). Blocks after the last one asked for do not run.
    """
    tokens, rotation = embed_patches(module, images)
    last = max(blocks)
    rows: dict[int, Tensor] = {}
    for number in range(1, last + 1):
        block, angles = module.blocks[number - 1], _rotation_of(module, rotation, number)
        if number in blocks:
            rows[number] = cls_row(block.attn, _attention_input(block, tokens), angles)
        if number < last:
            tokens = block(tokens) if angles is None else block(tokens, rope=angles)
    return torch.stack([rows[number] for number in blocks], dim=1)


def embed_patches(module: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """What enters the first block: tokens (B, T, D), and the rotary angles if the model has any."""
    embedded = module._pos_embed(module.patch_embed(images))
    tokens, rotation = embedded if isinstance(embedded, tuple) else (embedded, None)
    return module.norm_pre(tokens), rotation


def cls_row(attention: Any, tokens: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Softmax attention of token 0 over all tokens.

    attention: a timm attention module. tokens: (B, T, D), as they enter it. rotation: sine and
    cosine of the patches; the keys of the prefix tokens and the CLS query do without.
    Returns float32 (B, heads, T); the product and the softmax are float32 whatever the precision.
    """
    query, keys = _project(attention, tokens)
    query, keys = attention.q_norm(query), attention.k_norm(keys)
    if rotation is not None:
        keys = _rotate_patches(attention, keys, rotation)
    if keys.shape[1] < query.shape[1]:
        keys = keys.repeat_interleave(query.shape[1] // keys.shape[1], dim=1)
    with torch.autocast(tokens.device.type, enabled=False):
        scores = (query.float() * attention.scale) @ keys.float().transpose(-2, -1)
        row: Tensor = scores.softmax(dim=-1).squeeze(-2)
    return row


def _project(attention: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The query of token 0, (B, heads, 1, d), and the keys of all tokens, (B, key heads, T, d)."""
    first = tokens[:, :1]
    if attention.qkv is None:
        query, keys = attention.q_proj(first), attention.k_proj(tokens)
    else:
        query_bias, key_bias = _biases(attention)
        weight = attention.qkv.weight
        width = weight.shape[0] // 3
        query = linear(first, weight[:width], query_bias)
        keys = linear(tokens, weight[width : 2 * width], key_bias)
    key_heads = getattr(attention, "num_kv_heads", attention.num_heads)
    return _split_heads(query, attention.num_heads), _split_heads(keys, key_heads)


def _biases(attention: Any) -> tuple[Tensor | None, Tensor | None]:
    """Bias of query and key of a fused projection; EVA keeps them apart from it."""
    bias = attention.qkv.bias
    if bias is None:
        return getattr(attention, "q_bias", None), getattr(attention, "k_bias", None)
    width = bias.shape[0] // 3
    return bias[:width], bias[width : 2 * width]


def _split_heads(values: Tensor, heads: int) -> Tensor:
    batch, length, width = values.shape
    return values.reshape(batch, length, heads, width // heads).transpose(1, 2)


def _rotate_patches(attention: Any, keys: Tensor, rotation: Tensor) -> Tensor:
    prefix = attention.num_prefix_tokens
    still, patches = keys[:, :, :prefix], keys[:, :, prefix:]
    half = getattr(attention, "rotate_half", False)
    return torch.cat([still, apply_rot_embed_cat(patches, rotation, half=half)], dim=2)


def _rotation_of(module: Any, rotation: Tensor | None, number: int) -> Tensor | None:
    """The angles of one block: the same for all, unless the model learns them block by block."""
    mixed = rotation is not None and getattr(module, "rope_mixed", False)
    return rotation[number - 1] if mixed and rotation is not None else rotation


def _attention_input(block: Any, tokens: Tensor) -> Tensor:
    return tokens if type(block) in POST_NORM else block.norm1(tokens)
