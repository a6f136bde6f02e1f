"""Read pools and statistics off the patches of a pass."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..outputs import Output, Pool, Selection, Statistic
from .selection import count_votes, pool_mean, pool_selected, select, stability

SHORTEST = 1e-8
"""No length that a cosine is divided by is smaller."""


@dataclass(frozen=True)
class Patches:
    """Patches are those of one pass, as they leave the network, without CLS and registers.

    tokens: float32 (B, N, D), after the final norm. raw: the same before it.
    cls: float32 (B, D), the CLS token after the final norm, None where it is not needed.
    """

    tokens: Tensor
    raw: Tensor
    cls: Tensor | None = None


def read_patches(patches: Patches, outputs: Iterable[Output]) -> dict[Output, Tensor]:
    """Return pools (B, D) and statistics (B, N) of patches, float32.

    outputs: "cls" and "native" pools are not among them. Votes are whole numbers. They are NaN for
    an image with a token that is not finite.
    """
    wanted = [output for output in outputs if isinstance(output, Pool | Statistic)]
    channels = patches.tokens.transpose(1, 2).contiguous()
    found: dict[Output, Tensor] = {
        output: _unselected(patches, channels, output) for output in wanted if not output.selection
    }
    selecting = {output: output.selection for output in wanted if output.selection}
    for selection, selected in _selections(patches.tokens, list(selecting.values())):
        for output, asked in selecting.items():
            if asked == selection:
                found[output] = _selected(patches.tokens, channels, output, selected)
    return found


def _selections(tokens: Tensor, asked: Sequence[Selection]) -> Iterator[tuple[Selection, Tensor]]:
    """Yield each selection, once, with what it selects."""
    for form, kernel in dict.fromkeys((each.form, each.kernel) for each in asked):
        alike = dict.fromkeys(each for each in asked if (each.form, each.kernel) == (form, kernel))
        counts = [int(each.k) for each in alike]
        yield from zip(alike, select(stability(tokens, form, kernel), counts), strict=True)


def _unselected(patches: Patches, channels: Tensor, output: Pool | Statistic) -> Tensor:
    if isinstance(output, Pool):
        return pool_mean(channels)
    if output.kind == "norm":
        return _length(patches.tokens if output.stage == "after" else patches.raw)
    vector = patches.cls if output.vector == "cls" else pool_mean(channels)
    assert vector is not None, "a score to the CLS token is asked for with that token"
    return cosine(patches.tokens, vector)


def _selected(
    tokens: Tensor, channels: Tensor, output: Pool | Statistic, selected: Tensor
) -> Tensor:
    if output.kind == "votes":
        finite = tokens.isfinite().all(dim=-1).all(dim=-1, keepdim=True)
        return torch.where(finite, count_votes(selected).float(), torch.nan)
    pooled = pool_selected(channels, selected)
    return pooled if isinstance(output, Pool) else cosine(tokens, pooled)


def cosine(tokens: Tensor, vector: Tensor) -> Tensor:
    """Return the cosine of each patch with a vector of its image: (B, N, D), (B, D) to (B, N)."""
    # Not a matrix product, whose bits would depend on the place of an image in the pass.
    products = (tokens * vector[:, None]).sum(dim=-1)
    lengths = _length(tokens).clamp(min=SHORTEST)
    return products / lengths / _length(vector).clamp(min=SHORTEST)[:, None]


def _length(values: Tensor) -> Tensor:
    return values.square().sum(dim=-1).sqrt()
