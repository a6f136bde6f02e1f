"""A design says what network is trained, and refuses what cannot be built."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import UsageError
from ..outputs import Pool, parse_pool

VIT = "vit"
WINDOW_NEEDS = "a window is so many patches wide, and the grid a whole number of windows"


@dataclass(frozen=True)
class Design:
    """A Design has all that shapes a trained network except its weights.

    network: "vit" for a vision transformer of the sizes below, or timm's name of a ResNet.
    pool: canonical text of what the head reads: "cls", "mean" or "selective:K...".
    classes: how many. side: of the input in pixels.
    patch: side of a patch in pixels. dim, depth, heads: width, blocks and attention heads.
    window: side in patches of the windows that patches attend in; 0 for global attention.
    windowed: the blocks with such windows, counted from 1; empty for all of them.

    All but the first four are of a vision transformer alone.
    """

    network: str
    pool: str
    classes: int
    side: int
    patch: int = 16
    dim: int = 384
    depth: int = 12
    heads: int = 6
    window: int = 0
    windowed: tuple[int, ...] = ()

    @property
    def grid(self) -> int:
        """Return the patches along a side of a vision transformer's input."""
        return self.side // self.patch

    @property
    def is_vit(self) -> bool:
        """Tell whether the network is a vision transformer, and not a ResNet."""
        return self.network == VIT

    @property
    def parsed_pool(self) -> Pool:
        """Return the pool, read."""
        return parse_pool(self.pool)


def check_design(design: Design) -> None:
    """Raise UsageError, with what to change, for a network that cannot be built."""
    pool = design.parsed_pool
    if pool.kind == "native":
        raise UsageError("A head is trained on cls, mean or selective:K, not on native.")
    if not design.is_vit:
        _check_resnet(design)
        return
    if design.side % design.patch:
        raise UsageError(
            f"Images of {design.side} px are no whole number of patches of {design.patch} px: "
            "change image.size or training.patch."
        )
    if design.dim % design.heads:
        raise UsageError(
            f"A width of {design.dim} is no whole number for each of {design.heads} heads: change "
            "training.dim or training.heads."
        )
    if pool.selection:
        pool.selection.of(design.grid**2)
    _check_windows(design)


def _check_windows(design: Design) -> None:
    if design.window and design.grid % design.window:
        raise UsageError(
            f"A window of {design.window} does not fit a grid of {design.grid} patches a side: "
            f"{WINDOW_NEEDS}."
        )
    wrong = [block for block in design.windowed if not 1 <= block <= design.depth]
    if wrong:
        raise UsageError(
            f"There is no block {wrong[0]} to be windowed: the network has 1 to {design.depth}."
        )


def _check_resnet(design: Design) -> None:
    import timm

    if not design.network.startswith("resnet") or not timm.is_model(design.network):
        raise UsageError(
            f"There is no network {design.network!r} to train: write {VIT}, or timm's name of a "
            "ResNet such as resnet18."
        )
    if design.pool == "cls":
        raise UsageError(
            f"{design.network} has no CLS token: train it with the pool mean or selective:K."
        )
    if design.window:
        raise UsageError(f"{design.network} has no attention to be windowed: leave the window out.")
