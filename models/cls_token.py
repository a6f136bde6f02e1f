"""Compute one timm block for the CLS token alone: its softmax row, and the token that leaves.

The score of token j is q . (W_k u_j + b_k), where q is the CLS query and u_j the token as it enters
the attention. The term q . b_k is the same for all j, so the softmax does not see it, and
(W_k' q) . u_j gives the same row without forming any key. Rotary positions and key normalisation
act on the keys themselves, so models with either need the keys.

Values are never formed: since sum_j p_j = 1, sum_j p_j (W_v u_j + b_v) = W_v (sum_j p_j u_j) + b_v.
"""

from typing import Any, Literal

import torch
from timm.layers.pos_embed_sincos import apply_rot_embed_cat
from timm.models.eva import EvaBlockPostNorm
from timm.models.vision_transformer import ResPostBlock
from torch import Tensor, nn
from torch.nn.functional import linear

Projection = Literal["q", "k", "v"]
POST_NORM: tuple[type[nn.Module], ...] = (ResPostBlock, EvaBlockPostNorm)


def attention_input(block: Any, tokens: Tensor) -> Tensor:
    """Return tokens (B, T, D) as they enter a block's attention: normed, unless it norms after."""
    return tokens if type(block) in POST_NORM else block.norm1(tokens)


def cls_row(attention: Any, tokens: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Return the softmax attention of token 0 over all tokens, float32 (B, heads, T).

    attention: a timm attention module. tokens: (B, T, D), as they enter it. rotation: sine and
    cosine of the angles of the patches, or None; prefix tokens and the CLS query are not rotated.
    Every row sums to 1. Scores and softmax are float32 in any precision of the blocks.
    """
    projected = linear(tokens[:, :1], _weight(attention, "q"), _bias(attention, "q"))
    query = attention.q_norm(_split(projected, attention.num_heads)) * attention.scale
    if rotation is None and isinstance(attention.k_norm, nn.Identity):
        weight = _per_head(attention, _weight(attention, "k"))
        # In bf16 the scores of a sharp softmax lose the digits that tell its largest terms apart.
        with _float32(tokens):
            folded = query.float().transpose(0, 2)[0] @ weight.float()
            scores = folded.transpose(0, 1) @ tokens.float().transpose(-2, -1)
    else:
        keys = _keys(attention, tokens, rotation)
        with _float32(tokens):
            scores = (query.float() @ keys.float().transpose(-2, -1)).squeeze(-2)
    return scores.softmax(dim=-1)


def cls_attended(attention: Any, tokens: Tensor, row: Tensor) -> Tensor:
    """Return what the attention module puts out for token 0, (B, 1, D).

    attention, tokens: as for `cls_row`. row: what `cls_row` returned for them.
    """
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
    """Return the CLS token as it leaves a timm block, (B, 1, D).

    tokens: (B, T, D), as they entered the block. attended: what `cls_attended` returned for it.
    """
    token = tokens[:, :1]
    if type(block) in POST_NORM:
        token = token + block.norm1(attended)
        return token + block.norm2(block.mlp(token))
    token = token + _layer_scaled(block, 1, attended)
    return token + _layer_scaled(block, 2, block.mlp(block.norm2(token)))


def _layer_scaled(block: Any, branch: Literal[1, 2], values: Tensor) -> Tensor:
    """Scale residual branch 1 or 2: `Block` does it by a module, `EvaBlock` by a vector or not."""
    if hasattr(block, "ls1"):
        return getattr(block, f"ls{branch}")(values)
    gamma = getattr(block, f"gamma_{branch}")
    return values if gamma is None else gamma * values


def _weight(attention: Any, which: Projection) -> Tensor:
    """Return the weight (heads * d, D) of a projection; where all are fused it is a view."""
    if attention.qkv is None:
        return getattr(attention, f"{which}_proj").weight
    return attention.qkv.weight.chunk(3)["qkv".index(which)]


def _bias(attention: Any, which: Projection) -> Tensor | None:
    """Return the bias of a projection, or None; `EvaAttention` keeps it beside a fused weight."""
    if attention.qkv is None:
        return getattr(attention, f"{which}_proj").bias
    fused = attention.qkv.bias
    if fused is None:
        return getattr(attention, f"{which}_bias", None)
    return fused.chunk(3)["qkv".index(which)]


def _keys(attention: Any, tokens: Tensor, rotation: Tensor | None) -> Tensor:
    """Return the keys of all tokens, (B, heads, T, d), normed and rotated as the module does."""
    heads = getattr(attention, "num_kv_heads", attention.num_heads)
    projected = linear(tokens, _weight(attention, "k"), _bias(attention, "k"))
    keys = attention.k_norm(_split(projected, heads))
    if rotation is not None:
        # Only patches have positions: CLS and register tokens keep their keys unrotated.
        prefix = attention.num_prefix_tokens
        half = getattr(attention, "rotate_half", False)
        turned = apply_rot_embed_cat(keys[:, :, prefix:], rotation, half=half)
        keys = torch.cat([keys[:, :, :prefix], turned], dim=2)
    return keys.repeat_interleave(attention.num_heads // heads, dim=1)


def _split(values: Tensor, heads: int) -> Tensor:
    """Reshape (B, T, heads * d) to (B, heads, T, d)."""
    return values.unflatten(-1, (heads, -1)).transpose(1, 2)


def _per_head(attention: Any, values: Tensor) -> Tensor:
    """Reshape (key heads * d, ...) to (heads, d, ...), repeated for queries that share a key."""
    heads = getattr(attention, "num_kv_heads", attention.num_heads)
    return values.unflatten(0, (heads, -1)).repeat_interleave(attention.num_heads // heads, dim=0)


def _float32(tokens: Tensor) -> torch.autocast:
    """Return a context that switches autocast off on the tokens' device."""
    return torch.autocast(tokens.device.type, enabled=False)
