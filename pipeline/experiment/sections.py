"""These are the sections of an experiment, with the type, range and default of every key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from ...models.zoo.names import canonical
from ...stages.geometry import RESIZED_FIRST, Canvas, Geometry
from .baselines import Baseline, parse_baseline
from .field_types import (
    Aggregator,
    BaselineText,
    CropList,
    Evaluation,
    Gpus,
    MapSourceText,
    MaskingFill,
    MaskingHead,
    MaskingOrder,
    Models,
    OddInt,
    OneOrMore,
    PoolText,
    Precision,
    Reading,
    Seed,
    Several,
    Share,
    StatisticText,
    TrainedPool,
    as_crop_lists,
    without_repeats,
)


class Section(BaseModel):
    """A section of the experiment. It is immutable and refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetSection(Section):
    """The dataset section says which images are used.

    name: a registered name, or the path of a folder, a manifest or tar shards. root: the folder of
    a registered dataset. options: options of the dataset. split_val: the share of the training
    images that is held out for validation. split_seed: which ones are. rehash: whether every file
    is read anew, whatever the cache remembers of it.
    """

    name: str
    root: Path | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    split_val: Share | None = None
    split_seed: Seed = 0
    rehash: bool = False


class ImageSection(Section):
    """The square canvas that an image becomes and on which boxes are placed.

    size: its side in pixels. geometry: how the image becomes square. draft: whether JPEG files are
    decoded at the smallest fraction of their size that covers the canvas. decode: what decodes
    them and makes the canvas, Pillow or a GPU.
    """

    size: PositiveInt = 224
    geometry: Geometry = "squash"
    draft: bool = False
    decode: Literal["pillow", "nvjpeg"] = "pillow"

    @model_validator(mode="after")
    def _one_way_to_decode(self) -> ImageSection:
        if self.draft and self.decode == "nvjpeg":
            raise ValueError(
                "Drafts are made by Pillow, not by nvJPEG; leave out image.draft or image.decode"
            )
        if self.geometry in RESIZED_FIRST and self.decode == "nvjpeg":
            raise ValueError(
                f"What resizes the images that nvJPEG decodes knows no image.geometry "
                f"{self.geometry}; leave out image.decode or choose another image.geometry"
            )
        return self

    @property
    def canvas(self) -> Canvas:
        """Return the canvas that the stages work on."""
        return Canvas(self.size, self.geometry, self.draft, self.decode)


class AttentionSection(Section):
    """The attention section says which models tell where to look, and how heads become one map.

    models: their names. source: what maps are made of, "attention" or statistics of patches, each
    in its canonical text; of no source no map is made. layers: "last", "all", or numbers of blocks
    from 1. heads: aggregators, each in its canonical text, so that two spellings count once.
    reading: whether a head is renormalised over the patches before heads are aggregated.
    input_size: side of the models' input in pixels; None is that of the canvas.
    """

    models: Models = ()
    source: Several[MapSourceText] = ("attention",)
    layers: Literal["last", "all"] | tuple[int, ...] = "last"
    heads: OneOrMore[Aggregator] = ("mean",)
    reading: OneOrMore[Reading] = ("slice",)
    input_size: PositiveInt | None = None

    @field_validator("layers", mode="before")
    @classmethod
    def _one_layer(cls, value: Any) -> Any:
        """Read one number as a list of one."""
        numbers = value if isinstance(value, list | tuple) else [value]
        if value in ("last", "all"):
            return value
        # Refused here, as pydantic's message on a union names only one of its halves.
        if not numbers or not all(type(number) is int for number in numbers):
            raise ValueError(
                f'write "last", "all" or block numbers such as [11, 12], not {value!r}'
            )
        return without_repeats(tuple(numbers))


class PatchesSection(Section):
    """The patches section names statistics that are stored though no map is made of them.

    statistics: of the attention models, each in its canonical text.
    """

    statistics: Several[StatisticText] = ()


class CropsSection(Section):
    """The crops section says which crops are placed.

    sizes: lists of crops in the order they are placed, their sides in pixels of the canvas. smooth:
    sides, in patches, of the mean filter over a map; 1 is off. source: whether crops are cut from
    the canvas or from the image at its full resolution.
    """

    sizes: Annotated[tuple[CropList, ...], BeforeValidator(as_crop_lists)] = ((64,),)
    smooth: OneOrMore[OddInt] = (1,)
    source: Literal["resized", "original"] = "resized"


class EmbeddingSection(Section):
    """The embedding section names the models that extract, and the rows without attention.

    models: their names. pool: what of their pass is the embedding, in canonical texts; each is a
    column. baselines: as `parse_baseline` reads them. input_size: side in pixels to which crops are
    resized; None is that of the canvas.
    """

    models: Models = ()
    pool: OneOrMore[PoolText] = ("cls",)
    baselines: Several[BaselineText] = ()
    input_size: PositiveInt | None = None

    @property
    def parsed_baselines(self) -> tuple[Baseline, ...]:
        """Return the baselines, read."""
        return tuple(parse_baseline(value) for value in self.baselines)


class CombineSection(Section):
    """A row whose features are those of several rows, one after the other.

    name: of the row; "" for one made of its parts. rows: each by its key, label, attention model or
    baseline.
    """

    name: str = ""
    rows: Annotated[tuple[str, ...], Field(min_length=2)]


class HeadSection(BaseModel):
    """A head; every key besides these is a parameter of its own.

    kind: a registered name. name: of the head in tables; "" for its kind. models: the embedding
    models it is fitted on; all of the experiment's if empty.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = "logistic"
    name: str = ""
    models: Models = ()

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters that were given, by name."""
        return dict(self.model_extra or {})

    @property
    def label(self) -> str:
        """Return the name that tables show."""
        return self.name or self.kind


class LocalizeSection(Section):
    """The localize section says how attention maps are compared with ground-truth boxes.

    split: the images. evaluation: the cells of a map that count. resamples, level, seed: of the
    bootstrap that gives the intervals.
    """

    split: Literal["train", "val", "test", "all"] = "test"
    evaluation: OneOrMore[Evaluation] = ("pixels",)
    resamples: Annotated[int, Field(gt=0, le=100_000)] = 1000
    level: Share = 0.95
    seed: Seed = 0


class MaskingSection(Section):
    """The masking section says how `probe-masking` hides patches, and what predicts the classes.

    score: what ranks patches, as `attention.source`. order: which are masked first. step: by how
    many patches one point of a curve is apart from the next; None is a seventh of all. fill: what
    stands on a masked patch; "zero" is the colour that the model's normalisation brings to 0. head:
    what predicts; "own" is the model's, the others are fitted on unmasked images. seed: of the
    random order. level: of the intervals.
    """

    score: OneOrMore[MapSourceText] = ("patch-score",)
    order: OneOrMore[MaskingOrder] = ("highest", "lowest", "random")
    step: PositiveInt | None = None
    fill: OneOrMore[MaskingFill] = ("zero",)
    head: OneOrMore[MaskingHead] = ("linear", "nearest-mean")
    seed: Seed = 0
    level: Share = 0.95


class TrainingSection(Section):
    """The training section says what `a2pipe train` trains; a list trains each of its values.

    network: "vit", or timm's name of a ResNet. pool: what the head reads: "cls", "mean" or
    "selective:K...". patch: side of a patch in pixels. window: side in patches of the windows of
    attention; 0 is global attention. windowed: "all", or the blocks that have windows. dim, depth,
    heads: width, blocks and attention heads. epochs: how often each training image is seen. batch:
    images a step. rate: peak of the learning rate; None is 1e-3 sqrt(batch / 4096), at least 2e-4.
    decay: weight decay. warmup: the share of steps in which the rate rises. seed: of weights, order
    and augmentation. area: least share of an image's area that is cropped from it. split, images:
    which and how many images are measured. every: steps between two measurements; None is a
    twentieth of all. rule: which images and patches Point-in-Box counts. masked: shares of patches
    that are masked. tensorboard: whether event files are written.
    """

    network: str = "vit"
    pool: OneOrMore[TrainedPool] = ("selective:1",)
    patch: OneOrMore[PositiveInt] = (16,)
    window: OneOrMore[Annotated[int, Field(ge=0)]] = (0,)
    windowed: Literal["all"] | tuple[int, ...] = "all"
    dim: PositiveInt = 384
    depth: PositiveInt = 12
    heads: PositiveInt = 6
    epochs: Annotated[float, Field(gt=0)] = 100.0
    batch: PositiveInt = 512
    rate: Annotated[float, Field(gt=0)] | None = None
    decay: Annotated[float, Field(ge=0)] = 0.3
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    seed: OneOrMore[Seed] = (0,)
    area: Share = 0.08
    split: Literal["val", "test"] = "val"
    images: PositiveInt = 2000
    every: PositiveInt | None = None
    rule: Literal["point-in-box", "centre"] = "centre"
    masked: Several[Share] = (0.25, 0.5, 0.75)
    tensorboard: bool = False


class RunSection(Section):
    """The run section says how all is computed; only precision and compile change a number.

    device: as PyTorch names it, or "auto". gpus: those that get a process each: "all", the first so
    many, or these numbers; None is one device for this process. precision: the type models compute
    in. compile: whether torch.compile makes the models' code. batch_size: images decoded and held
    together. workers: processes that decode, where None leaves a core free, and heads fitted at
    once, where None is one a core. backend: how arrays are stored.
    shard_size: images committed at once. limit: how many samples are taken; None is all.
    skip_bad_images: whether bad images are left out instead of ending the run. offline: whether the
    network is left alone. cache_pixels: whether images are stored on their canvas. weights: local
    files by model name; "" stands for the one model there is.
    """

    device: str = "auto"
    gpus: Gpus | None = None
    precision: Precision = "fp32"
    compile: bool = False
    batch_size: PositiveInt = 64
    workers: PositiveInt | None = None
    backend: Literal["zarr", "hdf5"] = "zarr"
    shard_size: PositiveInt = 1024
    limit: PositiveInt | None = None
    skip_bad_images: bool = False
    offline: bool = False
    cache_pixels: bool = False
    weights: dict[str, Path] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _gpus_are_cuda(self) -> RunSection:
        if self.gpus is not None and self.device not in ("auto", "cuda"):
            raise ValueError(
                f"The keys run.gpus (--gpus) and run.device (--device) = {self.device!r} both say "
                "what computes: leave one of them out"
            )
        return self

    @field_validator("weights")
    @classmethod
    def _one_file_a_model(cls, values: dict[str, Path]) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for name, path in values.items():
            if canonical(name) in files:
                raise ValueError(f"two files are given for {canonical(name)}; give one")
            files[canonical(name)] = path
        return files
