"""A classifier is a ViT or a ResNet whose head reads CLS, the mean or selected patches."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..outputs import Pool, Selection
from ..patches.selection import pool_mean, pool_selected, select, stability
from .design import Design, check_design
from .windows import window_mask

DEVIATION = 0.02
"""The head starts from normal numbers of this deviation, cut at two, as timm's ViTs do."""


class Tokens(NamedTuple):
    """Tokens are those of one pass, after the final norm, in float32.

    cls: (B, D), None for a ResNet. patches: (B, N, D) in row-major order; of a ResNet the cells of
    its last grid of features.
    """

    cls: Tensor | None
    patches: Tensor


class Classifier(nn.Module):
    """A classifier maps normalised images, float (B, 3, side, side), to logits (B, classes).

    trunk: the network without its head. head: a linear layer on the pooled vector. low: the type
    that the trunk's blocks compute in beside float32 weights, or None. All that follows them, the
    final norm, the pool and the head, is computed in float32.
    """

    def __init__(self, design: Design, trunk: nn.Module, dim: int) -> None:
        super().__init__()
        self.design, self.pool = design, design.parsed_pool
        self.trunk: Any = trunk
        self.head = nn.Linear(dim, design.classes)
        self.low: torch.dtype | None = None
        mask = window_mask(design.grid, design.window) if design.window else None
        self.register_buffer("mask", mask, persistent=False)
        nn.init.trunc_normal_(self.head.weight, std=DEVIATION)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images."""
        return self.logits(self.pooled(self.tokens(images)))

    def tokens(self, images: Tensor) -> Tokens:
        """Return the tokens of images after the final norm."""
        raw = self._blocks(images)
        # Of random tokens, rounding to bfloat16 moves 2.3 % of the choices of one patch a channel.
        with torch.autocast(images.device.type, enabled=False):
            if not self.design.is_vit:
                return Tokens(None, raw.float().flatten(2).transpose(1, 2))
            normed = self.trunk.norm(raw.float())
            return Tokens(normed[:, 0], normed[:, 1:])

    def pooled(self, tokens: Tokens, pool: Pool | None = None) -> Tensor:
        """Return what a head reads, (B, D).

        pool: cls, mean or selective; the classifier's own if None. A selection carries no gradient;
        it reaches the K chosen patches of each channel alone, with weight 1/K (LaSt-ViT, section
        4). K = N and the mean are one and the same sum, so that both train to the same bits.
        """
        pool = pool or self.pool
        if pool.kind == "cls":
            assert tokens.cls is not None, "a design without CLS is refused"
            return tokens.cls
        channels = tokens.patches.transpose(1, 2).contiguous()
        if pool.selection is None:
            return pool_mean(channels)
        return pool_selected(channels, chosen(tokens.patches, pool.selection))

    def logits(self, pooled: Tensor) -> Tensor:
        """Return the logits of pooled vectors (B, D)."""
        found: Tensor = self.head(pooled)
        return found

    def _blocks(self, images: Tensor) -> Tensor:
        device = images.device.type
        with torch.autocast(device, self.low) if self.low else nullcontext():
            if not self.design.is_vit:
                features: Tensor = self.trunk(images)
                return features
            trunk = self.trunk
            tokens: Tensor = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(images)))
            for number, block in enumerate(trunk.blocks, 1):
                windowed = not self.design.windowed or number in self.design.windowed
                tokens = block(tokens, attn_mask=self.mask if windowed else None)
            return tokens


def chosen(patches: Tensor, selection: Selection) -> Tensor:
    """Return which patches each channel selects, bool (B, D, N), of patches (B, N, D)."""
    number = int(selection.of(patches.shape[1]).k)
    scores = stability(patches.detach(), selection.form, selection.kernel)
    return next(select(scores, [number]))


def build_classifier(design: Design, seed: int) -> Classifier:
    """Return a classifier with weights drawn by a seed, on the CPU, in float32.

    Weights of the trunk depend on seed and sizes alone, so that two pools start from the same ones.
    No global generator is changed. Raises UsageError for a design that cannot be built.
    """
    import timm
    from timm.models.vision_transformer import VisionTransformer

    check_design(design)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if not design.is_vit:
            resnet: Any = timm.create_model(design.network, num_classes=0, global_pool="")
            return Classifier(design, resnet, resnet.num_features)
        trunk = VisionTransformer(
            design.side,
            patch_size=design.patch,
            embed_dim=design.dim,
            depth=design.depth,
            num_heads=design.heads,
            num_classes=0,
        )
        return Classifier(design, trunk, design.dim)


def settle(classifier: Classifier, device: torch.device, precision: str) -> Classifier:
    """Put a classifier on a device and say what its blocks compute in; return it.

    precision: "fp32", or "bf16" for the blocks.
    """
    classifier.low = torch.bfloat16 if precision == "bf16" else None
    for block in classifier.trunk.blocks if classifier.design.is_vit else ():
        # On a CPU a training step with the fused kernel takes twice as long.
        block.attn.fused_attn = device.type != "cpu"
    return classifier.to(device)
