"""Networks to measure: real configurations, seeded random weights, sharp attention."""

from __future__ import annotations

import math
from typing import Any

import timm
import torch

from a2pipe.models.backbone import Backbone
from a2pipe.models.identity import BackboneInfo

SCALING = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def network(name: str, size: int) -> Any:
    """A timm model by its timm name, for size x size pixels, frozen, with fused attention."""
    torch.manual_seed(0)
    module = timm.create_model(name, pretrained=False, img_size=size, num_classes=0)
    generator = torch.Generator().manual_seed(0)
    for key, weights in module.named_parameters():
        if weights.ndim >= 2 and not key.endswith(("_token", "pos_embed")):
            gain = 1.6 if any(part in key for part in ("qkv", "q_proj", "k_proj")) else 1.0
            scale = gain / math.sqrt(weights[0].numel())
            weights.data = scale * torch.randn(weights.shape, generator=generator)
        elif "gamma" in key:
            weights.data.fill_(0.5)
    return module.eval().requires_grad_(False)


def backbone(
    name: str, size: int, device: str = "cpu", precision: str = "fp32", compiled: bool = False
) -> Backbone:
    """The same network as the pipeline runs it."""
    module = network(name, size)
    info = BackboneInfo(
        name=name,
        architecture="",
        weights="",
        mean=SCALING[0],
        std=SCALING[1],
        input_size=size,
        patch=module.patch_embed.patch_size[0],
        prefix_tokens=module.num_prefix_tokens,
        heads=module.blocks[0].attn.num_heads,
        dim=module.embed_dim,
        blocks=len(module.blocks),
        parameters=0,
    )
    return Backbone(info, module, torch.device(device), precision, compiled=compiled)


def pixels(count: int, size: int) -> torch.Tensor:
    """Seeded random pixels in [0, 1], float (count, 3, size, size)."""
    return torch.rand((count, 3, size, size), generator=torch.Generator().manual_seed(0))
