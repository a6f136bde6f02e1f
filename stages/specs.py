"""Specs: what one row of the cache is, as a pure function of one image.

A spec holds its own parameters and the spec it reads from; nothing of the dataset, of the machine
or of the way shards are cut is in it. `a2pipe.cache.fingerprint` turns a spec into its address.
Fields marked as labels (names people read) are left out of the address, and so are fields that
still have their default, so that a later version may add a field without moving what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar


def label() -> Any:
    """A field for people to read: in spec.json, but no part of the fingerprint or of equality."""
    return field(default="", compare=False, metadata={"label": True})


@dataclass(frozen=True)
class ModelSpec:
    """A frozen backbone as a function of its input pixels.

    architecture: canonical description of everything that shapes the function but the weights.
    weights: digest of the weight tensors.
    mean, std: per-channel normalisation of RGB in [0, 1].
    precision: fp32, bf16 or fp16.
    compiled: the blocks ran as code of torch.compile, which rounds differently.
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
    name: str = label()


@dataclass(frozen=True)
class CanvasSpec:
    """An image on a canvas (`geometry.Canvas`), as models are shown it: uint8 (side, side, 3).

    Stored only on request, so that further models need no decoding.
    """

    stage: ClassVar[str] = "pixels"
    version: ClassVar[int] = 1

    side: int
    geometry: str = "squash"
    draft: bool = False


@dataclass(frozen=True)
class AttentionSpec:
    """CLS row of the softmax of one block: float32 (heads, tokens), prefix tokens included.

    input_size: side of the square the image is resized to before the model, in pixels.
    block: 1..L as the papers count; L is the last block.
    geometry: how an image becomes a square (`geometry.Canvas`); "squash" ignores the aspect ratio.
    draft: JPEG files are decoded at a fraction of their size that still covers the square.
    """

    stage: ClassVar[str] = "attention"
    version: ClassVar[int] = 1

    model: ModelSpec
    input_size: int
    block: int
    geometry: str = "squash"
    draft: bool = False


@dataclass(frozen=True)
class MapSpec:
    """How an attention row becomes a map over pixels; computed when needed, never stored.

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


@dataclass(frozen=True)
class GreedyBox:
    """Box k of the greedy selection: the size x size square of largest attention off `previous`."""

    stage: ClassVar[str] = "boxes"
    version: ClassVar[int] = 1

    map: MapSpec
    size: int
    canvas: int
    previous: GreedyBox | None = None
    kind: str = "greedy"


@dataclass(frozen=True)
class FullBox:
    """The whole canvas."""

    stage: ClassVar[str] = "boxes"
    version: ClassVar[int] = 1

    canvas: int
    geometry: str = "squash"
    kind: str = "full"


@dataclass(frozen=True)
class CenterBox:
    """The size x size square in the middle of the canvas, rounded to the top left."""

    stage: ClassVar[str] = "boxes"
    version: ClassVar[int] = 1

    size: int
    canvas: int
    geometry: str = "squash"
    kind: str = "center"


@dataclass(frozen=True)
class RandomBox:
    """A square placed uniformly off `previous`, drawn from the seed and the image digest."""

    stage: ClassVar[str] = "boxes"
    version: ClassVar[int] = 1

    size: int
    canvas: int
    seed: int
    previous: RandomBox | None = None
    geometry: str = "squash"
    kind: str = "random"


@dataclass(frozen=True)
class TileBox:
    """Tile `number`, in row-major order, of the grid x grid tiles of the canvas (S²)."""

    stage: ClassVar[str] = "boxes"
    version: ClassVar[int] = 1

    number: int
    grid: int
    canvas: int
    geometry: str = "squash"
    kind: str = "tile"


BoxSpec = GreedyBox | FullBox | CenterBox | RandomBox | TileBox


@dataclass(frozen=True)
class EmbeddingSpec:
    """CLS embedding of one box, resized bilinearly to input_size: float32 (d,).

    A tile is cut from the canvas after this is resized as a whole, bicubically and without
    antialiasing, to as many times input_size as there are tiles (S², scaling_on_scales).

    source: what the box is cut from, the "resized" image (the canvas), as in the paper, or the
        "original" at the place that the box maps back to; tiles too are then cut bilinearly from
        the original, and nothing is resized as a whole.
    draft: the canvas is that of an image decoded at a fraction of its size, as in `AttentionSpec`.
    """

    stage: ClassVar[str] = "embeddings"
    version: ClassVar[int] = 1

    box: BoxSpec
    model: ModelSpec
    input_size: int
    source: str = "resized"
    draft: bool = False


@dataclass(frozen=True)
class MeanSpec:
    """Mean of several embeddings of one model, which is never stored: float32 (d,)."""

    stage: ClassVar[str] = "mean"
    version: ClassVar[int] = 1

    of: tuple[EmbeddingSpec, ...]

    @property
    def model(self) -> ModelSpec:
        """The model of all of them."""
        return self.of[0].model


FeatureSpec = EmbeddingSpec | MeanSpec


def parts_of(feature: FeatureSpec) -> tuple[EmbeddingSpec, ...]:
    """The stored embeddings that a feature is made of."""
    return feature.of if isinstance(feature, MeanSpec) else (feature,)


@dataclass(frozen=True)
class HeadSpec:
    """A head: its kind and its parameters as canonical JSON."""

    stage: ClassVar[str] = "head"
    version: ClassVar[int] = 1

    kind: str
    parameters: str = "{}"
    name: str = label()


@dataclass(frozen=True)
class FitSpec:
    """One cell of the matrix: a head on concatenated embeddings, over one collection."""

    stage: ClassVar[str] = "fits"
    version: ClassVar[int] = 2

    head: HeadSpec
    features: tuple[FeatureSpec, ...]
    collection: str


@dataclass(frozen=True)
class LocalizeSpec:
    """What one map holds of the images of one split: localisation, token shares, concentration.

    collection: digest of the collection. split: "train", "val", "test" or "all".
    evaluation: the cells that count, "pixels" of the canvas, or patches whose foreground is
        decided by their centre ("patch-centre") or by the area covered ("patch-overlap").
    """

    stage: ClassVar[str] = "localization"
    version: ClassVar[int] = 2

    map: MapSpec
    canvas: int
    collection: str
    split: str = "test"
    evaluation: str = "pixels"


@dataclass(frozen=True)
class CoverageSpec:
    """How much of the ground truth one list of crops covers, over the images of one split."""

    stage: ClassVar[str] = "localization"
    version: ClassVar[int] = 1

    crops: tuple[BoxSpec, ...]
    canvas: int
    collection: str
    split: str = "test"


@dataclass(frozen=True)
class TextModelSpec:
    """A text tower as a function of a prompt.

    architecture: canonical description of what shapes the function, tokenizer included, but the
        weights.
    weights: digest of its weight tensors.
    """

    stage: ClassVar[str] = "text-model"
    version: ClassVar[int] = 1

    architecture: str
    weights: str
    name: str = label()


@dataclass(frozen=True)
class TextSpec:
    """Embedding of one prompt: float32 (e,), of unit length."""

    stage: ClassVar[str] = "text"
    version: ClassVar[int] = 1

    model: TextModelSpec
    prompt: str


@dataclass(frozen=True)
class ProjectionSpec:
    """Projection of CLS embeddings into the space shared with text: float32 (d, e).

    weights: digest of the file of the image tower, which the projection is read from.
    """

    stage: ClassVar[str] = "projections"
    version: ClassVar[int] = 1

    weights: str
    name: str = label()
