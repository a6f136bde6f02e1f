"""The experiment: a small tree of sections in which everything but the dataset has a default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ...models.zoo.names import canonical
from ...stages.aggregators import parse_aggregator
from ...stages.geometry import Canvas, Geometry
from .baselines import Baseline, parse_baseline
from .origin import Origin, dataset_origin

T = TypeVar("T")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) or value is None else [value]


def _as_crop_lists(value: Any) -> Any:
    """[64, 32] is one list of two crops; [[64, 32], [64]] is two lists."""
    value = _as_list(value)
    return value if any(isinstance(item, list | tuple) for item in value) else [value]


def _without_repeats(values: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _canonical_aggregator(text: str) -> str:
    return parse_aggregator(text).text


def _baseline(text: str) -> str:
    parse_baseline(text)
    return text


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"a side of the mean filter must be odd, not {value}")
    return value


def _not_growing(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if list(sizes) != sorted(sizes, reverse=True):
        raise ValueError(f"sizes must not grow along a list, as they do in {list(sizes)}")
    return sizes


Several = Annotated[tuple[T, ...], BeforeValidator(_as_list), AfterValidator(_without_repeats)]
"""Values that each count once; one may stand without a list."""
OneOrMore = Annotated[Several[T], Field(min_length=1)]
Models = Several[Annotated[str, AfterValidator(canonical)]]
Aggregator = Annotated[str, AfterValidator(_canonical_aggregator)]
BaselineText = Annotated[str, AfterValidator(_baseline)]
CropList = Annotated[tuple[PositiveInt, ...], Field(min_length=1), AfterValidator(_not_growing)]
OddInt = Annotated[PositiveInt, AfterValidator(_odd)]
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0)]
Reading = Literal["slice", "patch-softmax"]
Precision = Literal["fp32", "bf16", "fp16"]
Metric = Literal["accuracy", "wga", "worst_class"]
Evaluation = Literal["pixels", "patch-centre", "patch-overlap"]


class Section(BaseModel):
    """A section of the experiment. It is immutable and refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetSection(Section):
    """Which images.

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
    decoded at the smallest fraction of their size that covers the canvas.
    """

    size: PositiveInt = 224
    geometry: Geometry = "squash"
    draft: bool = False

    @property
    def canvas(self) -> Canvas:
        """Return the canvas that the stages work on."""
        return Canvas(self.size, self.geometry, self.draft)


class AttentionSection(Section):
    """Which models say where to look, and how their heads become one map.

    models: their names. layers: "last", "all", or numbers of blocks from 1. heads: aggregators,
    each in its canonical text, so that two spellings count once. reading: whether a head is
    renormalised over the patches before heads are aggregated. input_size: side of the models' input
    in pixels; None is that of the canvas.
    """

    models: Models = ()
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
        return _without_repeats(tuple(numbers))


class CropsSection(Section):
    """Which crops are placed.

    sizes: lists of crops in the order they are placed, their sides in pixels of the canvas. smooth:
    sides, in patches, of the mean filter over a map; 1 is off. source: whether crops are cut from
    the canvas or from the image at its full resolution.
    """

    sizes: Annotated[tuple[CropList, ...], BeforeValidator(_as_crop_lists)] = ((64,),)
    smooth: OneOrMore[OddInt] = (1,)
    source: Literal["resized", "original"] = "resized"


class EmbeddingSection(Section):
    """Which models say what to extract, and the rows that need no attention.

    models: their names. baselines: as `parse_baseline` reads them. input_size: side in pixels to
    which crops are resized; None is that of the canvas.
    """

    models: Models = ()
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
    """How attention maps are compared with ground-truth boxes.

    split: the images. evaluation: the cells of a map that count. resamples, level, seed: of the
    bootstrap that gives the intervals.
    """

    split: Literal["train", "val", "test", "all"] = "test"
    evaluation: OneOrMore[Evaluation] = ("pixels",)
    resamples: Annotated[int, Field(gt=0, le=100_000)] = 1000
    level: Share = 0.95
    seed: Seed = 0


class RunSection(Section):
    """How everything is computed; of these only precision and compile change any number.

    device: as PyTorch names it, or "auto". precision: the type models compute in. compile: whether
    torch.compile makes the models' code. batch_size: images in a forward pass. workers: threads
    that decode, and heads fitted at once; None is one a core. backend: how arrays are stored.
    shard_size: images committed at once. limit: how many samples are taken; None is all.
    skip_bad_images: whether bad images are left out instead of ending the run. offline: whether the
    network is left alone. cache_pixels: whether images are stored on their canvas. weights: local
    files by model name; "" stands for the one model there is.
    """

    device: str = "auto"
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

    @field_validator("weights")
    @classmethod
    def _one_file_a_model(cls, values: dict[str, Path]) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for name, path in values.items():
            if canonical(name) in files:
                raise ValueError(f"two files are given for {canonical(name)}; give one")
            files[canonical(name)] = path
        return files


class Experiment(Section):
    """A grid: attention models x crop lists x embedding models x heads on one dataset.

    name: of the results folder and of what `cache gc` keeps. combine: further rows. head: the heads
    that are fitted. metrics: what the matrix shows of each cell; worst_class is for datasets whose
    classes, not groups, matter. notes: sentences that stand in the report.
    """

    name: str = "experiment"
    dataset: DatasetSection
    image: ImageSection = ImageSection()
    attention: AttentionSection = AttentionSection()
    crops: CropsSection = CropsSection()
    embedding: EmbeddingSection = EmbeddingSection()
    combine: Annotated[tuple[CombineSection, ...], BeforeValidator(_as_list)] = ()
    head: Annotated[tuple[HeadSection, ...], BeforeValidator(_as_list), Field(min_length=1)] = (
        HeadSection(),
    )
    metrics: OneOrMore[Metric] = ("accuracy", "wga")
    localize: LocalizeSection = LocalizeSection()
    run: RunSection = RunSection()
    notes: tuple[str, ...] = ()
    # Private, so that it is part of no dump: records and saved heads hold none of it.
    _origin: Origin = PrivateAttr(default=Origin())

    @property
    def origin(self) -> str:
        """Return the resolved path of the file it was read from, or what stands for its dataset."""
        return self._origin.text or dataset_origin(self.dataset.name, self.dataset.root)

    def read_from(self, origin: str) -> Experiment:
        """Return the same experiment as one that was read from this file; "" for none."""
        copy = self.model_copy()
        copy._origin = Origin(origin)
        return copy

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not value or value.startswith(".") or "/" in value or "\\" in value:
            raise ValueError(f"a name is used as a file name, which {value!r} cannot be")
        return value

    @field_validator("run")
    @classmethod
    def _weights_have_a_model(cls, run: RunSection, found: ValidationInfo) -> RunSection:
        """Weights under an empty name are for the one model there is."""
        # The sections before this one are there, unless they were refused themselves.
        if "" not in run.weights or not {"attention", "embedding"} <= found.data.keys():
            return run
        attention, embedding = found.data["attention"], found.data["embedding"]
        named = dict.fromkeys((*attention.models, *embedding.models))
        models = [name for name in named if name not in run.weights]
        if len(models) != 1:
            raise ValueError(
                f"The weights {run.weights['']} could be those of "
                f"{' or '.join(models) or 'no model that is named'}; write MODEL=FILE"
            )
        weights = {name or models[0]: file for name, file in run.weights.items()}
        return run.model_copy(update={"weights": weights})

    @model_validator(mode="after")
    def _crops_fit(self) -> Experiment:
        if "sizes" in self.crops.model_fields_set and self.too_large_crop:
            raise ValueError(self.too_large_crop)
        return self

    @model_validator(mode="after")
    def _heads_differ(self) -> Experiment:
        labels = [head.label for head in self.head]
        if len(set(labels)) < len(labels):
            raise ValueError(f"Give each head its own name; these are {', '.join(labels)}")
        return self

    @model_validator(mode="after")
    def _heads_have_models(self) -> Experiment:
        for head in self.head:
            unknown = set(head.models) - set(self.embedding.models)
            if unknown:
                raise ValueError(
                    f"The head {head.label} is for {min(unknown)}, which is no embedding model of "
                    "this experiment"
                )
        return self

    @property
    def embedding_input(self) -> int:
        """Return the side in pixels to which crops are resized unless a baseline says otherwise."""
        return self.embedding.input_size or self.image.size

    @property
    def too_large_crop(self) -> str:
        """Say what is wrong with the largest crop that is to be placed; "" if nothing is."""
        largest = max(size for sizes in self.crops.sizes for size in sizes)
        placed = self.attention.models or any(
            baseline.kind.needs_sizes for baseline in self.embedding.parsed_baselines
        )
        if not placed or largest <= self.image.size:
            return ""
        return (
            f"A crop of {largest} px does not fit into an image of {self.image.size} px; "
            "change crops.sizes or image.size"
        )
