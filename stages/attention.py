"""The attention stage says what is stored of a model's attention, and which maps are made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..cache.layout import ArrayField
from ..errors import UsageError
from ..models.outputs import Block
from .aggregators import parse_aggregator
from .maps import Floats, patch_maps, smooth
from .passes import ModelSpec, WholeCanvas
from .patches import PatchSpec

if TYPE_CHECKING:
    from ..models.identity import BackboneInfo


@dataclass(frozen=True)
class AttentionSpec(WholeCanvas):
    """An AttentionSpec is the CLS row of one block's softmax: float32 (heads, tokens).

    Prefix tokens are included.

    input_size: side of the square the image is resized to before the model, in pixels.
    block: 1..L as the papers count; L is the last block.
    geometry: how an image becomes a square (`geometry.Canvas`); "squash" ignores the aspect ratio.
    draft: JPEG files are decoded at a fraction of their size that still covers the square.
    decoder: "pillow" or "nvjpeg", as in `geometry.Canvas`.
    """

    stage: ClassVar[str] = "attention"
    version: ClassVar[int] = 1
    has_heads: ClassVar[bool] = True
    source: ClassVar[str] = "attention"
    source_words: ClassVar[str] = "attention"

    model: ModelSpec
    input_size: int
    block: int
    geometry: str = "squash"
    draft: bool = False
    decoder: str = "pillow"

    @property
    def output(self) -> Block:
        """Return what the pass is asked for."""
        return Block(self.block)

    @property
    def place(self) -> str:
        """Return what tells it apart from others of the model, in the key of a matrix's row."""
        return f"block{self.block}"

    def layer_words(self, only_last: bool) -> str:
        """Return the words after the model's name in the label of a row: " block 11".

        only_last: whether the last block is the only one that is taken, which needs no words.
        """
        return "" if only_last else f" block {self.block}"

    @property
    def name(self) -> str:
        """Return the model and its block in words, without the canvas."""
        return f"{self.model.name}, block {self.block}"

    def array(self, models: Mapping[str, BackboneInfo]) -> ArrayField:
        """Return what is stored of an image: float32 (heads, tokens), NaN where the image is bad.

        models: what is known of the models, by their names.
        """
        info = models[self.model.name]
        shape = (info.heads, tokens(info, self.input_size))
        return ArrayField("attention", shape, "float32", math.nan)

    def maps(self, rows: NDArray[np.float32], prefix: int, heads: str, reading: str) -> Floats:
        """Return rows as maps over the patch grid, float64 (B, g, g); see `patch_maps`."""
        return patch_maps(rows, prefix, heads=heads, reading=reading)


def tokens(info: BackboneInfo, input_size: int) -> int:
    """Return the number of tokens at this input size: prefix tokens and patches.

    Raises:
        UsageError: the input size is not a multiple of the patch size.
    """
    if input_size % info.patch:
        raise UsageError(
            f"{info.name} has patches of {info.patch} px, which do not divide "
            f"an input of {input_size} px; choose a multiple of {info.patch}."
        )
    return info.prefix_tokens + (input_size // info.patch) ** 2


MapSource = AttentionSpec | PatchSpec
"""What maps are made of."""


@dataclass(frozen=True)
class MapSpec:
    """A MapSpec says how attention, or statistics of patches, become a map over the patches.

    The map is computed when needed, never stored.

    attention: what it is made of.
    heads: head aggregation in its canonical text (`aggregators.parse_aggregator`), of which each
        aggregator has one; "mean" is the paper's.
    reading: "slice" aggregates full-softmax rows, then keeps the patches; "patch-softmax"
        renormalises every head over the patches first.
    smooth: side of a mean filter over the patch grid; 1 is off, as in the paper.
    """

    stage: ClassVar[str] = "map"
    version: ClassVar[int] = 1

    attention: MapSource
    heads: str = "mean"
    reading: str = "slice"
    smooth: int = 1

    @property
    def suffix(self) -> str:
        """Return what sets the map apart from the mean of full-softmax slices.

        It is put after the model's name: "", ", max over heads", ", each head renormalised".
        """
        heads = "" if self.heads == "mean" else f", {parse_aggregator(self.heads).words}"
        return heads + ("" if self.reading == "slice" else ", each head renormalised")


def grid_map(spec: MapSpec, rows: NDArray[np.float32], prefix: int) -> NDArray[np.float64]:
    """Return rows of the map's source as maps over the patches, float64 (B, g, g).

    rows: attention (B, heads, tokens) or statistics (B, N). prefix: how many tokens come before the
    patches. Each map sums to 1. Raises as `patch_maps`.
    """
    return smooth(spec.attention.maps(rows, prefix, spec.heads, spec.reading), spec.smooth)
