"""Run one timm block by steps, so that what a reader of its attention needs is computed once.

In float32 the steps give timm's own bits. In low precision a scaled branch is added with one
rounding instead of two, and keys that are rotated or normed come from a product of their own, which
the last block read, of which no query but one and no value is formed, repeats bit for bit.
"""

from typing import Any, Literal, NamedTuple

import torch
from timm.models.eva import EvaBlockPostNorm
from timm.models.vision_transformer import ResPostBlock
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from .projections import needs_keys, project, project_keys, repeat_heads, rotate

POST_NORM: tuple[type[nn.Module], ...] = (ResPostBlock, EvaBlockPostNorm)


class Entering(NamedTuple):
    """An Entering is what enters the attention of a block.

    tokens: (B, T, D), as they enter the block. normed: (B, T, D), as they enter its attention.
    keys: (B, heads, T, d), normed and rotated, where they are shared; else None.
    """

    tokens: Tensor
    normed: Tensor
    keys: Tensor | None


def attention_input(block: Any, tokens: Tensor) -> Tensor:
    """Return tokens (B, T, D) as they enter a block's attention: normed, unless it norms after."""
    return tokens if type(block) in POST_NORM else block.norm1(tokens)


def enter_block(block: Any, tokens: Tensor, rotation: Tensor | None) -> Entering:
    """Return what enters the attention of a block.

    tokens: (B, T, D), as they enter the block. rotation: the angles of the patches, or None.
    """
    normed = attention_input(block, tokens)
    # In float32 timm's module forms the keys by one product with queries and values; another one
    # would round otherwise and change the tokens.
    shared = tokens.dtype != torch.float32 and needs_keys(block.attn, rotation)
    keys = project_keys(block.attn, normed, rotation) if shared else None
    return Entering(tokens, normed, keys)


def attend_block(block: Any, entering: Entering, rotation: Tensor | None) -> Tensor:
    """Return the tokens (B, T, D) of a block after its attention and before its MLP."""
    return add_attended(block, entering.tokens, _attended(block.attn, entering, rotation))


def add_attended(block: Any, tokens: Tensor, attended: Tensor) -> Tensor:
    """Return tokens (B, N, D) of a block before its MLP.

    tokens: (B, N, D), as they entered the block. attended: what its attention put out for them.
    """
    if type(block) in POST_NORM:
        return tokens + block.norm1(attended)
    return _add_branch(block, 1, tokens, attended)


def add_mlp(block: Any, tokens: Tensor) -> Tensor:
    """Return tokens (B, N, D) as they leave a block, given those before its MLP."""
    if type(block) in POST_NORM:
        return tokens + block.norm2(block.mlp(tokens))
    return _add_branch(block, 2, tokens, block.mlp(block.norm2(tokens)))


def leave_attention(attention: Any, tokens: Tensor, values: Tensor) -> Tensor:
    """Return what the attention module makes of mixed values (B, N, heads * d), (B, N, D).

    tokens: (B, N, D), as they entered the attention.
    """
    output = attention.norm(values)
    if attention.gate is not None:
        output = output * attention.gate(tokens).sigmoid()
    return attention.proj(output)


def _attended(attention: Any, entering: Entering, rotation: Tensor | None) -> Tensor:
    """Return what the attention module puts out for all tokens, (B, T, D)."""
    tokens, keys = entering.normed, entering.keys
    if keys is None:
        return attention(tokens) if rotation is None else attention(tokens, rope=rotation)
    queries = rotate(attention, attention.q_norm(project(attention, "q", tokens)), rotation)
    values = repeat_heads(attention, project(attention, "v", tokens), dim=1)
    mixed = scaled_dot_product_attention(queries, keys, values)
    return leave_attention(attention, tokens, mixed.transpose(1, 2).flatten(2))


def _add_branch(block: Any, branch: Literal[1, 2], tokens: Tensor, values: Tensor) -> Tensor:
    """Add a residual branch, scaled if the block scales it.

    `Block` keeps the scale in a module, `EvaBlock` has a vector or None.
    """
    if hasattr(block, f"ls{branch}"):
        scale = getattr(getattr(block, f"ls{branch}"), "gamma", None)
    else:
        scale = getattr(block, f"gamma_{branch}")
    if scale is None:
        return tokens + values
    if tokens.dtype == torch.float32:  # addcmul rounds once, timm twice
        return tokens + values * scale
    return torch.addcmul(tokens, values, scale)
