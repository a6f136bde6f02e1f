"""Compute one timm block for the CLS token alone: its softmax row, and the token that leaves.

The score of token j is q . (W_k u_j + b_k), where q is the CLS query and u_j the token as it enters
the attention. The term q . b_k is the same for all j, so the softmax does not see it, and
(W_k' q) . u_j gives the same row without forming any key. Rotary positions and key normalisation
act on the keys themselves, so models with either need the keys.

Values are never formed: since sum_j p_j = 1, sum_j p_j (W_v u_j + b_v) = W_v (sum_j p_j u_j) + b_v.

In low precision the factors of a product are rounded to it, as in the blocks; sums, scores and
softmax are float32.
"""

from typing import Any

from torch import Tensor

from .projections import bias, needs_keys, per_head, product, project, project_keys, weight
from .steps import Entering, add_attended, add_mlp, leave_attention


def cls_row(
    attention: Any, tokens: Tensor, rotation: Tensor | None = None, keys: Tensor | None = None
) -> Tensor:
    """Return the softmax attention of token 0 over all tokens, float32 (B, heads, T).

    attention: a timm attention module. tokens: (B, T, D), as they enter it. rotation: sine and
    cosine of the angles of the patches, or None; prefix tokens and the CLS query are not rotated.
    keys: what `project_keys` returns for them, if it is known. Every row sums to 1.
    """
    query = attention.q_norm(project(attention, "q", tokens[:, :1])) * attention.scale
    if needs_keys(attention, rotation):
        keys = project_keys(attention, tokens, rotation) if keys is None else keys
        scores = product(query, keys.transpose(-2, -1)).squeeze(-2)
    else:
        folded = product(query.transpose(0, 2)[0], per_head(attention, weight(attention, "k")))
        scores = product(folded.transpose(0, 1).to(tokens.dtype), tokens.transpose(-2, -1))
    return scores.softmax(dim=-1)


def cls_attended(attention: Any, tokens: Tensor, row: Tensor) -> Tensor:
    """Return what the attention module puts out for token 0, (B, 1, D).

    attention, tokens: as for `cls_row`. row: what `cls_row` returned for them.
    """
    mixed = product(row.to(tokens.dtype), tokens).transpose(0, 1)
    values = mixed @ per_head(attention, weight(attention, "v")).float().transpose(-2, -1)
    values = values.transpose(0, 1)
    added = bias(attention, "v")
    if added is not None:
        values = values + per_head(attention, added)
    return leave_attention(attention, tokens[:, :1], values.flatten(1)[:, None].to(tokens.dtype))


def cls_leaves(block: Any, entering: Entering, row: Tensor) -> Tensor:
    """Return the CLS token as it leaves a block, (B, 1, D).

    entering: what entered the attention of the block. row: what `cls_row` returned for it.
    """
    attended = cls_attended(block.attn, entering.normed, row)
    return add_mlp(block, add_attended(block, entering.tokens[:, :1], attended))
