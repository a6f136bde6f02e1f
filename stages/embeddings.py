"""The embedding stage stores a model's view of one box, and takes means of several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ..cache.layout import ArrayField
from ..models.outputs import Pool, parse_pool
from .boxes.box import BoxSpec
from .geometry import Canvas, decoding_suffix
from .passes import ForwardPass, ModelSpec

if TYPE_CHECKING:
    from ..models.identity import BackboneInfo


def source_suffix(source: str) -> str:
    """Return what sets crops from the original apart, to be put after their name."""
    return ", cut from the original" if source == "original" else ""


@dataclass(frozen=True)
class EmbeddingSpec:
    """An EmbeddingSpec is the embedding of one box, float32 (d,).

    The box is resized bilinearly to input_size. A tile is cut from the canvas after this is resized
    as a whole, bicubically and without antialiasing, to as many times input_size as there are tiles
    in a row (S², scaling_on_scales).

    source: what the box is cut from, the "resized" image (the canvas), as in the paper, or the
        "original" at the place that the box maps back to; tiles too are then cut bilinearly from
        the original, and nothing is resized as a whole.
    draft: the canvas is that of an image decoded at a fraction of its size, as in `AttentionSpec`.
    decoder: of the canvas, "pillow" or "nvjpeg", as in `Canvas`. Crops from the original have
        neither: Pillow decodes these in full.
    pool: what of the model's pass it is, the canonical text of a `Pool` (`models.outputs`) in which
        K is a number; "cls" is the paper's.
    """

    stage: ClassVar[str] = "embeddings"
    version: ClassVar[int] = 1
    only_when_read: ClassVar[bool] = False

    box: BoxSpec
    model: ModelSpec
    input_size: int
    source: str = "resized"
    draft: bool = False
    decoder: str = "pillow"
    pool: str = "cls"

    @property
    def reads_original(self) -> bool:
        """Return whether the box is cut from the original, decoded when the box is known."""
        return self.source == "original"

    @property
    def pixels(self) -> Canvas | None:
        """Return the canvas that the box is cut from; None if it is cut from the original."""
        if self.reads_original:
            return None
        return replace(self.box.image_canvas, draft=self.draft, decoder=self.decoder)

    @property
    def upstream(self) -> tuple[BoxSpec | Canvas, ...]:
        """Return the specs whose rows are read to compute this one, where they are stored."""
        return (self.box, *((self.pixels,) if self.pixels else ()))

    @property
    def forward_pass(self) -> ForwardPass:
        """Return the pass that gives it; a whole canvas in its own size shares its attention's."""
        whole = self.box.covers_canvas and self.box.canvas == self.input_size
        shown = (whole and self.pixels) or replace(self, pool="cls")
        return ForwardPass(self.model, self.input_size, shown)

    @property
    def output(self) -> Pool:
        """Return what the pass is asked for."""
        return parse_pool(self.pool)

    @property
    def words(self) -> str:
        """Return the spec in words: "dinov2_vitg14 at 224 px of centre crop, 128 px"."""
        pool = "" if self.pool == "cls" else f", {self.pool}"
        what = f"{self.model.name}{pool} at {self.input_size} px of {self.box.words}"
        return what + source_suffix(self.source) + decoding_suffix(self.draft, self.decoder)

    def array(self, models: Mapping[str, BackboneInfo]) -> ArrayField:
        """Return what is stored of an image: float32 (d,), NaN where the image is bad.

        models: what is known of the models, by their names.
        """
        shape = models[self.model.name].shape(self.output, self.input_size)
        return ArrayField("embedding", shape, "float32", math.nan)


@dataclass(frozen=True)
class MeanSpec:
    """A MeanSpec is the mean of several embeddings of one model, float32 (d,), never stored."""

    stage: ClassVar[str] = "mean"
    version: ClassVar[int] = 1

    of: tuple[EmbeddingSpec, ...]

    @property
    def model(self) -> ModelSpec:
        """Return the model of all of them."""
        return self.of[0].model


FeatureSpec = EmbeddingSpec | MeanSpec


def parts_of(feature: FeatureSpec) -> tuple[EmbeddingSpec, ...]:
    """Return the stored embeddings that a feature is made of."""
    return feature.of if isinstance(feature, MeanSpec) else (feature,)
