"""CLS attention of any block and the CLS embedding, for less than a forward pass.

Of a block that is only read, the CLS token's row of the softmax is computed and nothing else; of
the last block before an embedding, that row and what it does to the CLS token. The (tokens x
tokens) matrix never exists, the blocks that run are timm's own with fused attention, and nothing
runs after what was asked for. Which other blocks are read in the same pass, and whether it also
embeds, changes no bit of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from timm.layers.attention import Attention, AttentionRope
from timm.layers.patch_embed import PatchEmbed
from timm.models.eva import Eva, EvaAttention, EvaBlock
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from ..errors import UsageError
from .cls_token import POST_NORM, attention_input, cls_after_block, cls_attended, cls_row

BLOCKS: tuple[type[nn.Module], ...] = (Block, EvaBlock, *POST_NORM)
ATTENTIONS: tuple[type[nn.Module], ...] = (Attention, EvaAttention, AttentionRope)


def check_readable(module: nn.Module, name: str) -> None:
    """Raise UsageError, in one sentence, unless the CLS attention of `module` can be read."""
    kind = type(module).__name__
    if not isinstance(module, VisionTransformer | Eva):
        raise UsageError(
            f"{name} is a {kind}, not a vision transformer with a CLS token; choose a ViT such as "
            "dinov2_vits14_reg."
        )
    if not isinstance(module.patch_embed, PatchEmbed):
        raise UsageError(
            f"{name} does not cut the image itself into patches (it has a "
            f"{type(module.patch_embed).__name__}); choose a plain ViT."
        )
    if module.cls_token is None:
        raise UsageError(
            f"{name} has no CLS token (it pools its patches), so there is no CLS attention to "
            "read; choose a ViT with a class token, such as dinov2_vits14_reg."
        )
    for block in module.blocks:
        attention = getattr(block, "attn", None)
        if type(block) not in BLOCKS or type(attention) not in ATTENTIONS:
            raise UsageError(
                f"{name} is made of {type(block).__name__} with {type(attention).__name__}, whose "
                "attention this package does not read; choose a plain ViT."
            )


def embed_patches(module: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """What enters the first block: tokens (B, T, D), and the rotary angles if the model has any.

    images: float (B, 3, S, S), normalised.
    """
    embedded = module._pos_embed(module.patch_embed(images))
    tokens, rotation = embedded if isinstance(embedded, tuple) else (embedded, None)
    return module.norm_pre(tokens), rotation


def read_cls(
    module: Any,
    tokens: Tensor,
    rotation: Tensor | None,
    blocks: Sequence[int] = (),
    *,
    embed: bool = False,
) -> tuple[Tensor | None, Tensor | None]:
    """One pass through the blocks: CLS rows of the softmax of some, and the CLS embedding.

    tokens, rotation: of `embed_patches`. blocks: numbers from 1 to the depth, in any order.
    Returns float32 (B, len(blocks), heads, tokens), prefix tokens included, every row summing to
    1, or None without blocks; and (B, D), token 0 after the final norm, or None unless asked for.
    """
    last = len(module.blocks) if embed else max(blocks)
    rows: dict[int, Tensor] = {}
    for number in range(1, last):
        block, angles = module.blocks[number - 1], _angles(module, rotation, number)
        if number in blocks:
            rows[number] = cls_row(block.attn, attention_input(block, tokens), angles)
        tokens = block(tokens) if angles is None else block(tokens, rope=angles)
    block = module.blocks[last - 1]
    entering = attention_input(block, tokens)
    rows[last] = cls_row(block.attn, entering, _angles(module, rotation, last))
    read = torch.stack([rows[number] for number in blocks], dim=1) if blocks else None
    if not embed:
        return read, None
    attended = cls_attended(block.attn, entering, rows[last])
    return read, _final_norm(module)(cls_after_block(block, tokens, attended))[:, 0]


def _final_norm(module: Any) -> nn.Module:
    """The norm behind the last block, which timm keeps elsewhere in models that pool patches."""
    norm: nn.Module = module.norm
    return getattr(module, "fc_norm", norm) if isinstance(norm, nn.Identity) else norm


def _angles(module: Any, rotation: Tensor | None, number: int) -> Tensor | None:
    """The angles of one block: the same for all, unless the model learns them block by block."""
    mixed = rotation is not None and getattr(module, "rope_mixed", False)
    return rotation[number - 1] if mixed and rotation is not None else rotation
