"""Specs: what one row of the cache is, as a pure function of one image; every kind by name.

A spec holds its own parameters and the spec it reads from; nothing of the dataset, of the machine
or of the way shards are cut is in it. `a2pipe.cache.fingerprint` turns a spec into its address.
Fields marked as labels (names people read) are left out of the address, and so are fields that
still have their default, so that a later version may add a field without moving what is stored.

The specs of stored rows stand in the files of their stages. Here are those of records, which are of
a whole collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .attention import AttentionSpec as AttentionSpec
from .attention import ForwardPass as ForwardPass
from .attention import MapSpec as MapSpec
from .attention import ModelSpec as ModelSpec
from .attention import label
from .boxes.box import BoxSpec as BoxSpec
from .boxes.center import CenterBox as CenterBox
from .boxes.full import FullBox as FullBox
from .boxes.greedy import GreedyBox as GreedyBox
from .boxes.random import RandomBox as RandomBox
from .boxes.tile import TileBox as TileBox
from .embeddings import EmbeddingSpec as EmbeddingSpec
from .embeddings import FeatureSpec as FeatureSpec
from .embeddings import MeanSpec as MeanSpec
from .embeddings import parts_of as parts_of


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
