"""What one block does for the CLS token alone: its row of the softmax, and the token that leaves.

A score is q . (W_k u_j + b_k) for the tokens u_j that enter the attention. As q . b_k is the same
for all j, the softmax does not see it, and (W_k' q) . u_j gives the same row without forming any
key; rotary positions and key normalisation, which act on the keys themselves, need them formed.
Values are never formed: sum_j p_j (W_v u_j + b_v) = W_v (sum_j p_j u_j) + b_v, as sum_j p_j = 1.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from timm.layers.pos_embed_sincos import apply_rot_embed_cat
from timm.models.eva import EvaBlockPostNorm
from timm.models.vision_transformer import ResPostBlock
from torch import Tensor, nn
from torch.nn.functional import linear

Part = Literal["q", "k", "v"]
POST_NORM: tuple[type[nn.Module], ...] = (ResPostBlock, EvaBlockPostNorm)


def attention_input(block: Any, tokens: Tensor) -> Tensor:
    """The tokens as they enter the attention of a timm block, (B, T, D)."""
    return tokens if type(block) in POST_NORM else block.norm1(tokens)


def cls_row(attention: Any, tokens: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Softmax attention of token 0 over all tokens.

    attention: a timm attention module. tokens: (B, T, D), as they enter it. rotation: sine and
    cosine of the patches; the keys of the prefix tokens and the CLS query do without.
    Returns float32 (B, heads, T), rows that sum to 1; scores and softmax are float32 whatever the
    precision.
    """
    projected = linear(tokens[:, :1], _weight(attention, "q"), _bias(attention, "q"))
    query = attention.q_norm(_split(projected, attention.num_heads)) * attention.scale
    if rotation is None and isinstance(attention.k_norm, nn.Identity):
        weight = _per_head(attention, _weight(attention, "k"))
        with _float32(tokens):
            folded = query.float().transpose(0, 2)[0] @ weight.float()
            scores = folded.transpose(0, 1) @ tokens.float().transpose(-2, -1)
    else:
        keys = _keys(attention, tokens, rotation)
        with _float32(tokens):
            scores = (query.float() @ keys.float().transpose(-2, -1)).squeeze(-2)
    return scores.softmax(dim=-1)


def cls_attended(attention: Any, tokens: Tensor, row: Tensor) -> Tensor:
    """What the attention module gives for token 0, (B, 1, D), out of its `cls_row`."""
    weight = _per_head(attention, _weight(attention, "v"))
    with _float32(tokens):
        mixed = (row @ tokens.float()).transpose(0, 1)
        values = (mixed @ weight.float().transpose(-2, -1)).transpose(0, 1)
    bias = _bias(attention, "v")
    if bias is not None:
        values = values + _per_head(attention, bias)
    output = attention.norm(values.flatten(1)[:, None])
    if attention.gate is not None:
        output = output * attention.gate(tokens[:, :1]).sigmoid()
    return attention.proj(output)


def cls_after_block(block: Any, tokens: Tensor, attended: Tensor) -> Tensor:
    """The CLS token as it leaves a timm block, (B, 1, D).

    tokens: (B, T, D), as they entered it. attended: `cls_attended` of its attention.
    """
    token = tokens[:, :1]
    if type(block) in POST_NORM:
        token = token + block.norm1(attended)
        return token + block.norm2(block.mlp(token))
    token = token + _layer_scaled(block, 1, attended)
    return token + _layer_scaled(block, 2, block.mlp(block.norm2(token)))


def _layer_scaled(block: Any, branch: Literal[1, 2], values: Tensor) -> Tensor:
    """One residual branch: `Block` scales it by a module, `EvaBlock` by a vector or not at all."""
    if hasattr(block, "ls1"):
        return getattr(block, f"ls{branch}")(values)
    gamma = getattr(block, f"gamma_{branch}")
    return values if gamma is None else gamma * values


def _weight(attention: Any, part: Part) -> Tensor:
    """Projection to the queries, keys or values: (heads * d, D), a view where they are fused."""
    if attention.qkv is None:
        return getattr(attention, f"{part}_proj").weight
    return attention.qkv.weight.chunk(3)["qkv".index(part)]


def _bias(attention: Any, part: Part) -> Tensor | None:
    """Bias of a projection; `EvaAttention` keeps it apart from the fused one."""
    if attention.qkv is None:
        return getattr(attention, f"{part}_proj").bias
    fused = attention.qkv.bias
    if fused is None:
        return getattr(attention, f"{part}_bias", None)
    return fused.chunk(3)["qkv".index(part)]


def _keys(attention: Any, tokens: Tensor, rotation: Tensor | None) -> Tensor:
    """Keys of all tokens, (B, heads, T, d)."""
    heads = getattr(attention, "num_kv_heads", attention.num_heads)
    projected = linear(tokens, _weight(attention, "k"), _bias(attention, "k"))
    keys = attention.k_norm(_split(projected, heads))
    if rotation is not None:
        prefix = attention.num_prefix_tokens
        half = getattr(attention, "rotate_half", False)
        turned = apply_rot_embed_cat(keys[:, :, prefix:], rotation, half=half)
        keys = torch.cat([keys[:, :, :prefix], turned], dim=2)
    return keys.repeat_interleave(attention.num_heads // heads, dim=1)


def _split(values: Tensor, heads: int) -> Tensor:
    """(B, T, heads * d) to (B, heads, T, d)."""
    return values.unflatten(-1, (heads, -1)).transpose(1, 2)


def _per_head(attention: Any, values: Tensor) -> Tensor:
    """(key heads * d, ...) to (heads, d, ...): grouped keys and values serve several queries."""
    heads = getattr(attention, "num_kv_heads", attention.num_heads)
    return values.unflatten(0, (heads, -1)).repeat_interleave(attention.num_heads // heads, dim=0)


def _float32(tokens: Tensor) -> torch.autocast:
    """Without the precision that the blocks run in."""
    return torch.autocast(tokens.device.type, enabled=False)
