"""Another input size: position embeddings resampled from the native grid, by the model's rule."""

from __future__ import annotations

from typing import Any

from torch import Tensor, cat, nn, no_grad
from torch.nn.functional import interpolate

OFFSET = 0.1


@no_grad()
def set_input_size(module: Any, native: Tensor | None, side: int, size: int, rule: str) -> None:
    """Make a timm ViT ready for size x size pixels.

    native: position embeddings as they were trained, (1, tokens, D), or None; side: the side in
    pixels they belong to. rule: "antialias" or "offset", see `ModelEntry`. Always resampled from
    `native`, so that going through a third size changes nothing. A model that timm resizes by
    itself at every call is left alone.
    """
    if getattr(module, "dynamic_img_size", False):
        return
    module.set_input_size((side, side))
    if native is not None:
        module.pos_embed = nn.Parameter(native, requires_grad=False)
    module.set_input_size((size, size))
    if native is not None and rule == "offset" and size != side:
        prefix = 0 if module.no_embed_class else module.num_prefix_tokens
        grid = module.patch_embed.grid_size[0]
        resampled = resample_offset(native, grid, prefix)
        module.pos_embed = nn.Parameter(resampled, requires_grad=False)


def resample_offset(native: Tensor, grid: int, prefix: int) -> Tensor:
    """Resample as the official DINO and DINOv2 models do: bicubic, no antialiasing, and a scale of
    (grid + 0.1) / native grid, where the 0.1 once kept rounding from losing a row.

    native: (1, prefix + n * n, D). Returns (1, prefix + grid * grid, D). Source:
    interpolate_pos_encoding of facebookresearch/dino and facebookresearch/dinov2.
    """
    kept, patches = native[:, :prefix], native[:, prefix:]
    side = round(patches.shape[1] ** 0.5)
    scale = (grid + OFFSET) / side
    square = patches.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = interpolate(square, scale_factor=(scale, scale), mode="bicubic")
    flat = resized.permute(0, 2, 3, 1).reshape(1, grid * grid, -1)
    return cat([kept, flat.to(native.dtype)], dim=1)
