"""Take a timm attention module apart: its weights, heads and keys; multiply in low precision."""

from typing import Any, Literal

import torch
from timm.layers.pos_embed_sincos import apply_rot_embed_cat
from torch import Tensor, nn
from torch.nn.functional import linear

Projection = Literal["q", "k", "v"]
WIDE_PRODUCTS = hasattr(torch.ops.aten.bmm, "dtype") and torch.version.hip is None
"""Whether products of low precision can have a float32 result on CUDA, as from torch 2.8 on."""


def weight(attention: Any, which: Projection) -> Tensor:
    """Return the weight (heads * d, D) of a projection; where all are fused it is a view."""
    if attention.qkv is None:
        return getattr(attention, f"{which}_proj").weight
    return attention.qkv.weight.chunk(3)["qkv".index(which)]


def bias(attention: Any, which: Projection) -> Tensor | None:
    """Return the bias of a projection, or None; `EvaAttention` keeps it beside a fused weight."""
    if attention.qkv is None:
        return getattr(attention, f"{which}_proj").bias
    fused = attention.qkv.bias
    if fused is None:
        return getattr(attention, f"{which}_bias", None)
    return fused.chunk(3)["qkv".index(which)]


def project(attention: Any, which: Projection, tokens: Tensor) -> Tensor:
    """Return queries, keys or values of tokens (B, T, D), as (B, heads, T, d), neither normed nor
    rotated; keys and values have fewer heads where queries share them."""
    heads = attention.num_heads if which == "q" else key_heads(attention)
    return split_heads(linear(tokens, weight(attention, which), bias(attention, which)), heads)


def key_heads(attention: Any) -> int:
    """Return the number of heads of keys and values: fewer than of queries in `AttentionRope`."""
    return getattr(attention, "num_kv_heads", attention.num_heads)


def needs_keys(attention: Any, rotation: Tensor | None) -> bool:
    """Tell whether keys are rotated or normed, so that scores cannot be had without them."""
    return rotation is not None or not isinstance(attention.k_norm, nn.Identity)


def project_keys(attention: Any, tokens: Tensor, rotation: Tensor | None) -> Tensor:
    """Return the keys of all tokens, normed and rotated as the module does.

    attention: a timm attention module. tokens: (B, T, D), as they enter it. rotation: the angles of
    the patches, or None. Returns (B, heads, T, d).
    """
    keys = rotate(attention, attention.k_norm(project(attention, "k", tokens)), rotation)
    return repeat_heads(attention, keys, dim=1)


def rotate(attention: Any, values: Tensor, rotation: Tensor | None) -> Tensor:
    """Rotate queries or keys (B, heads, T, d) by the angles of the patches, or return them."""
    if rotation is None:
        return values
    # Only patches have positions: CLS and register tokens are left as they are.
    prefix = attention.num_prefix_tokens
    half = getattr(attention, "rotate_half", False)
    turned = apply_rot_embed_cat(values[:, :, prefix:], rotation, half=half)
    # The angles are float32 in any precision of the blocks.
    return torch.cat([values[:, :, :prefix], turned], dim=2).to(values.dtype)


def product(left: Tensor, right: Tensor) -> Tensor:
    """Return the matrix product of factors of one precision, with float32 sums and result.

    left: (..., m, k). right: (..., k, n), with the same leading dimensions. On CUDA factors of low
    precision go through tensor cores; elsewhere they are multiplied as float32, which is the same
    function up to the order of sums.
    """
    if left.dtype == torch.float32 or not (left.is_cuda and WIDE_PRODUCTS):
        return left.float() @ right.float()
    factors = left.flatten(0, -3), right.flatten(0, -3)
    wide: Tensor = torch.bmm(*factors, out_dtype=torch.float32)
    return wide.unflatten(0, left.shape[:-2])


def split_heads(values: Tensor, heads: int) -> Tensor:
    """Reshape (B, T, heads * d) to (B, heads, T, d)."""
    return values.unflatten(-1, (heads, -1)).transpose(1, 2)


def per_head(attention: Any, values: Tensor) -> Tensor:
    """Reshape (key heads * d, ...) to (heads, d, ...), repeated for queries that share a key."""
    return repeat_heads(attention, values.unflatten(0, (key_heads(attention), -1)), dim=0)


def repeat_heads(attention: Any, values: Tensor, dim: int) -> Tensor:
    """Repeat keys or values along their dimension of heads for the queries that share them."""
    times = attention.num_heads // key_heads(attention)
    # A product's bits depend on how its factors lie in memory: what is not repeated is contiguous
    # too, as what `repeat_interleave` returns.
    return values.contiguous() if times == 1 else values.repeat_interleave(times, dim=dim)
