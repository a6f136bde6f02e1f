"""Set another input size, and resample positions from the native grid by the model's rule."""

from typing import Any

from torch import Tensor, cat, nn, no_grad
from torch.nn.functional import interpolate

OFFSET = 0.1


@no_grad()
def set_input_size(module: Any, native: Tensor | None, side: int, size: int, rule: str) -> None:
    """Make a timm ViT ready for images of size x size pixels, in place.

    native: position embeddings as they were trained, (1, tokens, D), or None if the model has none.
    side: the side in pixels that they were trained for. rule: "antialias" or "offset", as in
    `ModelEntry.positions`. A model that timm resizes by itself at every call is left alone.
    """
    if getattr(module, "dynamic_img_size", False):
        return
    # timm resamples from whatever size the model has now, and resampling twice blurs. So the model
    # first goes back to its trained positions, and a size in between leaves no trace.
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
    """Resample position embeddings as the official DINO and DINOv2 models do.

    They resample bicubically without antialiasing, by a scale of (grid + 0.1) / n.

    native: (1, prefix + n * n, D). grid: patches per side wanted. prefix: how many leading tokens
    are no patches and are kept as they are. Returns (1, prefix + grid * grid, D) in the type of
    `native`. Source: interpolate_pos_encoding of facebookresearch/dino and facebookresearch/dinov2.
    """
    kept, patches = native[:, :prefix], native[:, prefix:]
    side = round(patches.shape[1] ** 0.5)
    # The 0.1 once kept rounding from losing a row; the weights were published with it, and without
    # it embeddings would differ from those of the official code.
    scale = (grid + OFFSET) / side
    square = patches.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = interpolate(square, scale_factor=(scale, scale), mode="bicubic")
    flat = resized.permute(0, 2, 3, 1).reshape(1, grid * grid, -1)
    return cat([kept, flat.to(native.dtype)], dim=1)
