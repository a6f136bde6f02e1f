"""Read CLS attention of any block and the CLS embedding, for less than a forward pass.

All blocks before the last one asked for run as timm's own, with fused attention. Of a block whose
attention is read, the CLS token's row of the softmax is computed beside it; of the last block that
row alone is computed, and for an embedding what the row does to the CLS token. The (tokens x
tokens) matrix is never formed, and no block runs after the last one asked for. A row has the same
bits whichever other blocks are read in the same pass and whether or not the pass also embeds.
"""

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
    """Raise UsageError, in one sentence, unless the CLS attention of a timm network can be read.

    module: the network, which may be on the meta device. name: what the error calls it.
    """
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
        # Exact types: a subclass may compute its scores in another way than `cls_token` does.
        if type(block) not in BLOCKS or type(attention) not in ATTENTIONS:
            raise UsageError(
                f"{name} is made of {type(block).__name__} with {type(attention).__name__}, whose "
                "attention this package does not read; choose a plain ViT."
            )


def embed_patches(module: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the tokens (B, T, D) that enter the first block, and the rotary angles or None.

    module: a timm network that passed `check_readable`. images: float (B, 3, S, S), normalised by
    the model's mean and deviation. The angles are those of the patches; models with learned
    positions have none.
    """
    # timm has no public way to stop before the blocks; in timm 1.0 `_pos_embed` returns a pair
    # exactly where the model has rotary positions.
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
    """Run the blocks once; return CLS rows of the softmax of some of them, and the CLS embedding.

    tokens, rotation: as returned by `embed_patches`. blocks: numbers from 1 to the depth, in any
    order; may be empty if `embed`.

    Returns a pair. The first is float32 (B, len(blocks), heads, tokens): every row covers the
    prefix tokens too and sums to 1; None if no blocks are asked for. The second is (B, D), token 0
    after the final norm; None unless `embed`.
    """
    last = len(module.blocks) if embed else max(blocks)
    rows: dict[int, Tensor] = {}
    for number in range(1, last):
        block, angles = module.blocks[number - 1], _angles(module, rotation, number)
        if number in blocks:
            rows[number] = cls_row(block.attn, attention_input(block, tokens), angles)
        tokens = block(tokens) if angles is None else block(tokens, rope=angles)
    # The last block is never run as a whole: only its row, and what follows from it, is computed.
    block = module.blocks[last - 1]
    entering = attention_input(block, tokens)
    rows[last] = cls_row(block.attn, entering, _angles(module, rotation, last))
    read = torch.stack([rows[number] for number in blocks], dim=1) if blocks else None
    if not embed:
        return read, None
    attended = cls_attended(block.attn, entering, rows[last])
    return read, _final_norm(module)(cls_after_block(block, tokens, attended))[:, 0]


def _final_norm(module: Any) -> nn.Module:
    """Return the norm after the last block.

    timm names it `fc_norm`, and makes `norm` the identity, in models that pool patches by default.
    """
    norm: nn.Module = module.norm
    return getattr(module, "fc_norm", norm) if isinstance(norm, nn.Identity) else norm


def _angles(module: Any, rotation: Tensor | None, number: int) -> Tensor | None:
    """Return the angles of one block, which are the same for all unless the model learns them."""
    mixed = getattr(module, "rope_mixed", False)
    return rotation[number - 1] if mixed and rotation is not None else rotation
