"""Find how a network lays out its features, by outlining its forward pass without any memory."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import UsageError
from ..architecture import TIMM_ERRORS
from .reading import patch_tokens

ERRORS = (*TIMM_ERRORS, AttributeError)


@dataclass(frozen=True)
class Layout:
    """A Layout says what a network gives that runs as a whole, for an image of S x S pixels.

    stride: pixels of the image to a patch along a side, so that there are (S / stride)² patches.
    dim: channels of a patch.
    native_dim: length of what the network's own pooling gives; 0 if it has none.
    fixed: whether S can only be the native side.
    """

    stride: int
    dim: int
    native_dim: int
    fixed: bool


def find_layout(module: Any, name: str, side: int) -> Layout:
    """Return the layout of a network that is on torch's meta device.

    name: what errors call it. side: its native side in pixels; a side that is no multiple of the
    stride is rounded down.

    Raises UsageError, in one sentence, unless timm's `forward_features` of it gives a square grid
    of patches of one size.
    """
    module.eval()
    stride = _stride(module)
    native = max(stride, side // stride * stride)
    features = _features(module, native) if stride else None
    if features is None or not _is_grid(module, features, native // stride):
        raise UsageError(
            f"{name} (timm's {type(module).__name__}) gives no square grid of features that this "
            "package reads; choose another model."
        )
    other = native + stride
    beside = _features(module, other)
    return Layout(
        stride=stride,
        dim=patch_tokens(module, features).shape[-1],
        native_dim=_native_dim(module, features),
        fixed=beside is None or not _is_grid(module, beside, other // stride),
    )


def _stride(module: Any) -> int:
    """Return the pixels to a patch along a side, as timm tells them; 0 if it does not."""
    try:
        return int(module.feature_info[-1]["reduction"])
    except ERRORS:
        return 0


def _features(module: Any, side: int) -> Any:
    """Return what `forward_features` gives for one image, or None if it fails."""
    images = torch.empty((1, 3, side, side), device="meta")
    try:
        with torch.no_grad():
            return module.forward_features(images)
    except ERRORS:
        return None


def _is_grid(module: Any, features: Any, grid: int) -> bool:
    """Tell whether features are those of grid x grid patches."""
    if not isinstance(features, Tensor) or features.ndim not in (3, 4):
        return False
    tokens = patch_tokens(module, features)
    return tokens.shape[1:] == (grid * grid, module.num_features) and (
        features.ndim == 3 or (grid, grid) in (features.shape[1:3], features.shape[2:])
    )


def _native_dim(module: Any, features: Tensor) -> int:
    """Return the length of what the network's own pooling gives; 0 if it has none."""
    try:
        pooled = module.forward_head(features, pre_logits=True)
    except ERRORS:
        return 0
    return int(pooled.shape[-1]) if isinstance(pooled, Tensor) and pooled.ndim == 2 else 0
