"""The attention stage says what is stored of a model's attention, and which maps are made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..cache.layout import ArrayField
from ..errors import UsageError
from .aggregators import parse_aggregator
from .geometry import Canvas
from .maps import patch_maps, smooth

if TYPE_CHECKING:
    from ..models.identity import BackboneInfo


NUMERICS = 2
"""The version of the arithmetic of models in low precision and of compiled ones."""


def label() -> Any:
    """Make a field for people: it is in spec.json, but not in the fingerprint or in equality."""
    return field(default="", compare=False, metadata={"label": True})


@dataclass(frozen=True)
class ModelSpec:
    """A ModelSpec is a frozen backbone as a function of its input pixels.

    architecture: canonical description of everything that shapes the function but the weights.
    weights: digest of the weight tensors.
    mean, std: per-channel normalisation of RGB in [0, 1].
    precision: fp32, bf16 or fp16.
    compiled: the blocks ran as code of torch.compile, which rounds differently.
    numerics: version of the arithmetic in low precision and in compiled code, `NUMERICS` today;
        rows of eager float32 keep 1, as their bits have not changed.
    name: how people call it; not part of the address.
    """

    stage: ClassVar[str] = "model"
    version: ClassVar[int] = 1

    architecture: str
    weights: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    precision: str = "fp32"
    compiled: bool = False
    numerics: int = 1
    name: str = label()


@dataclass(frozen=True)
class ForwardPass:
    """A ForwardPass is a run of a model; specs with equal passes are computed together.

    side: of the model's input, in pixels. shown: what tells the pixels apart, such as a canvas.
    """

    model: ModelSpec
    side: int
    shown: object


@dataclass(frozen=True)
class AttentionSpec:
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
    only_when_read: ClassVar[bool] = False
    reads_original: ClassVar[bool] = False

    model: ModelSpec
    input_size: int
    block: int
    geometry: str = "squash"
    draft: bool = False
    decoder: str = "pillow"

    @property
    def pixels(self) -> Canvas:
        """Return the canvas that the model is shown."""
        return Canvas(self.input_size, self.geometry, self.draft, self.decoder)

    @property
    def upstream(self) -> tuple[Canvas]:
        """Return the specs whose rows are read to compute this one, where they are stored."""
        return (self.pixels,)

    @property
    def forward_pass(self) -> ForwardPass:
        """Return the pass that gives it; all blocks of a model on one canvas share one."""
        return ForwardPass(self.model, self.input_size, self.pixels)

    @property
    def name(self) -> str:
        """Return the model and its block in words, without the canvas."""
        return f"{self.model.name}, block {self.block}"

    @property
    def words(self) -> str:
        """Return the spec in words: "dinov2_vits14, block 12, letterboxed"."""
        return self.name + self.pixels.suffix

    def array(self, models: Mapping[str, BackboneInfo]) -> ArrayField:
        """Return what is stored of an image: float32 (heads, tokens), NaN where the image is bad.

        models: what is known of the models, by their names.
        """
        info = models[self.model.name]
        shape = (info.heads, tokens(info, self.input_size))
        return ArrayField("attention", shape, "float32", math.nan)


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


@dataclass(frozen=True)
class MapSpec:
    """A MapSpec says how an attention row becomes a map over the patches.

    The map is computed when needed, never stored.

    heads: head aggregation in its canonical text (`aggregators.parse_aggregator`), of which each
        aggregator has one; "mean" is the paper's.
    reading: "slice" aggregates full-softmax rows, then keeps the patches; "patch-softmax"
        renormalises every head over the patches first.
    smooth: side of a mean filter over the patch grid; 1 is off, as in the paper.
    """

    stage: ClassVar[str] = "map"
    version: ClassVar[int] = 1

    attention: AttentionSpec
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
    """Return attention rows (B, heads, tokens) as maps over the patches, float64 (B, g, g).

    prefix: how many tokens come before the patches. Each map sums to 1. Raises as `patch_maps`.
    """
    return smooth(patch_maps(rows, prefix, heads=spec.heads, reading=spec.reading), spec.smooth)
