"""A spec describes one row of the cache as a pure function of one image.

A spec holds its own parameters and the spec it reads from; nothing of the dataset, of the machine
or of the way shards are cut is in it. `a2pipe.cache.fingerprint` turns a spec into its address.
Fields marked as labels (names people read) are left out of the address, and so are fields that
still have their default, so that a later version may add a field without moving what is stored.

The specs of rows stand in the files of their stages: pixels (`geometry.Canvas`), attention,
patches, boxes and embeddings. Each of them says of itself:

words: what it is, for people. array(models): name, shape, type and fill value of its rows.
upstream: the specs whose rows are read to compute it, as far as they are stored.
pixels: the canvas that is decoded for it, or None. reads_original: whether a crop is cut from the
    original for it instead.
forward_pass: the pass through a model that gives it, or None; equal passes are one. output: what
    that pass is asked for, where there is one.
only_when_read: whether it is stored only in shards where another spec reads it.

In this file are the specs of records, which are of a whole collection; and all kinds by name.
"""

from dataclasses import dataclass
from typing import ClassVar

from .attention import AttentionSpec as AttentionSpec
from .attention import MapSource as MapSource
from .attention import MapSpec as MapSpec
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
from .passes import ForwardPass as ForwardPass
from .passes import ModelSpec as ModelSpec
from .passes import label
from .patches import PatchSpec as PatchSpec


@dataclass(frozen=True)
class HeadSpec:
    """A HeadSpec is a head with its parameters.

    kind: its name in the registry of heads. parameters: what decides its fits, as canonical JSON.
    name: what the experiment calls it; not part of the address.
    """

    stage: ClassVar[str] = "head"
    version: ClassVar[int] = 1

    kind: str
    parameters: str = "{}"
    name: str = label()


@dataclass(frozen=True)
class FitSpec:
    """A FitSpec is one cell of the matrix: a head fitted on concatenated embeddings.

    features: in the order of concatenation. collection: digest of the samples, their labels, groups
    and splits.
    """

    stage: ClassVar[str] = "fits"
    version: ClassVar[int] = 2

    head: HeadSpec
    features: tuple[FeatureSpec, ...]
    collection: str


@dataclass(frozen=True)
class LocalizeSpec:
    """A LocalizeSpec is localisation and concentration of one map on the images of one split.

    canvas: side in pixels of the canvas that the ground truth is mapped to.
    collection: digest of the collection. split: "train", "val", "test" or "all".
    evaluation: the cells that count, "pixels" of the canvas, or patches whose foreground is
        decided by their centre ("patch-centre") or by the area covered ("patch-overlap"); or a rule
        of Point-in-Box, "point-in-box" or "centre".
    annotated: digest of the sizes of images in their annotations, where a rule needs them and they
        are not those of the images.
    """

    stage: ClassVar[str] = "localization"
    version: ClassVar[int] = 2

    map: MapSpec
    canvas: int
    collection: str
    split: str = "test"
    evaluation: str = "pixels"
    annotated: str = ""


@dataclass(frozen=True)
class CoverageSpec:
    """A CoverageSpec is how much ground truth a list of crops covers on the images of one split.

    crops: in the order of selection. canvas: side in pixels of the canvas they are placed on.
    collection: digest of the collection. split: "train", "val", "test" or "all".
    """

    stage: ClassVar[str] = "localization"
    version: ClassVar[int] = 1

    crops: tuple[BoxSpec, ...]
    canvas: int
    collection: str
    split: str = "test"


@dataclass(frozen=True)
class DiscoverSpec:
    """A DiscoverSpec is how well one map finds the objects of the images of one split.

    threshold: name of the rule by which the map becomes a foreground, one of
        `metrics.discovery.THRESHOLDS`.
    truth: what is compared with, "boxes" of the collection, or the digest of its masks.
    collection: digest of the collection. split: "train", "val", "test" or "all".
    """

    stage: ClassVar[str] = "discovery"
    version: ClassVar[int] = 1

    map: MapSpec
    threshold: str
    truth: str
    collection: str
    split: str = "test"


@dataclass(frozen=True)
class TextModelSpec:
    """A TextModelSpec is a text tower as a function of a prompt.

    architecture: canonical description of all that shapes the function but the weights; the
        tokenizer is part of it.
    weights: digest of its weight tensors. name: what people call it; not part of the address.
    """

    stage: ClassVar[str] = "text-model"
    version: ClassVar[int] = 1

    architecture: str
    weights: str
    name: str = label()


@dataclass(frozen=True)
class TextSpec:
    """A TextSpec is the embedding of one prompt by a text tower: float32 (e,), of unit length."""

    stage: ClassVar[str] = "text"
    version: ClassVar[int] = 1

    model: TextModelSpec
    prompt: str


@dataclass(frozen=True)
class ProjectionSpec:
    """A ProjectionSpec takes CLS embeddings into the space shared with text: float32 (d, e).

    weights: digest of the weights of the image tower, with which the projection is published.
    name: what people call the model; not part of the address.
    """

    stage: ClassVar[str] = "projections"
    version: ClassVar[int] = 1

    weights: str
    name: str = label()
