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


def _canonical_heads(values: tuple[str, ...]) -> tuple[str, ...]:
    return _without_repeats(tuple(parse_aggregator(value).text for value in values))


def _canonical_models(values: tuple[str, ...]) -> tuple[str, ...]:
    return _without_repeats(tuple(canonical(value) for value in values))


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"a side of the mean filter must be odd, not {value}")
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), AfterValidator(_without_repeats)]
Models = Annotated[Names, AfterValidator(_canonical_models)]
CropList = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
OddInt = Annotated[PositiveInt, AfterValidator(_odd)]
Reading = Literal["slice", "patch-softmax"]
Precision = Literal["fp32", "bf16", "fp16"]
Metric = Literal["accuracy", "wga", "worst_class"]


class Section(BaseModel):
    """A part of the experiment; immutable, and strict about the keys it knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetSection(Section):
    """Which images: a registered name, a folder, a manifest, tar shards; split_val: the share
    of the training images that becomes the validation split; rehash: read every file anew."""

    name: str
    root: Path | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    split_val: Annotated[float, Field(gt=0, lt=1)] | None = None
    split_seed: Annotated[int, Field(ge=0)] = 0
    rehash: bool = False


class ImageSection(Section):
    """The square canvas that an image becomes: boxes are placed on it; draft: JPEG files are
    decoded at the smallest fraction of their size that covers it."""

    size: PositiveInt = 224
    geometry: Geometry = "squash"
    draft: bool = False

    @property
    def canvas(self) -> Canvas:
        return Canvas(self.size, self.geometry, self.draft)


class AttentionSection(Section):
    """Which models say where to look, and how their heads become one map; input_size is the canvas
    unless given. heads: aggregators in their canonical text, so that each counts once."""

    models: Models = ()
    layers: Literal["last", "all"] | tuple[int, ...] = "last"
    heads: Annotated[Names, Field(min_length=1), AfterValidator(_canonical_heads)] = ("mean",)
    reading: Annotated[
        tuple[Reading, ...],
        BeforeValidator(_as_list),
        Field(min_length=1),
        AfterValidator(_without_repeats),
    ] = ("slice",)
    input_size: PositiveInt | None = None

    @field_validator("layers", mode="before")
    @classmethod
    def _one_layer(cls, value: Any) -> Any:
        """Numbers as a tuple; said here, as a union's own message names one of its halves."""
        numbers = value if isinstance(value, list | tuple) else [value]
        if value in ("last", "all"):
            return value
        if not numbers or not all(type(number) is int for number in numbers):
            raise ValueError(
                f'write "last", "all" or block numbers such as [11, 12], not {value!r}'
            )
        return _without_repeats(tuple(numbers))


class CropsSection(Section):
    """Crop lists in order of selection, in pixels of the canvas; smooth: mean filter, 1 is off;
    source: what crops are cut from, the canvas or the original at its full resolution."""

    sizes: Annotated[tuple[CropList, ...], BeforeValidator(_as_crop_lists)] = ((64,),)
    smooth: Annotated[tuple[OddInt, ...], BeforeValidator(_as_list), Field(min_length=1)] = (1,)
    source: Literal["resized", "original"] = "resized"

    @field_validator("sizes")
    @classmethod
    def _descending(cls, lists: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        for sizes in lists:
            if list(sizes) != sorted(sizes, reverse=True):
                raise ValueError(f"sizes must not grow along a list, as they do in {list(sizes)}")
        return lists


class EmbeddingSection(Section):
    """Which models say what to extract, and the baselines that need no attention."""

    models: Models = ()
    baselines: Names = ()
    input_size: PositiveInt | None = None

    @field_validator("baselines")
    @classmethod
    def _parsable(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            parse_baseline(value)
        return values

    @property
    def parsed_baselines(self) -> tuple[Baseline, ...]:
        return tuple(parse_baseline(value) for value in self.baselines)


class CombineSection(Section):
    """Rows whose features are concatenated: each by its key, label, attention model or baseline."""

    name: str = ""
    rows: Annotated[tuple[str, ...], Field(min_length=2)]


class HeadSection(BaseModel):
    """A head by kind; every further key is a parameter of that head.

    models: the embedding models it is fitted on; all of the experiment's, unless given.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = "logistic"
    name: str = ""
    models: Models = ()

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    @property
    def label(self) -> str:
        return self.name or self.kind


class LocalizeSection(Section):
    """On which images and cells maps are compared with boxes; the bootstrap of its intervals."""

    split: Literal["train", "val", "test", "all"] = "test"
    evaluation: Annotated[
        tuple[Literal["pixels", "patch-centre", "patch-overlap"], ...],
        BeforeValidator(_as_list),
        AfterValidator(_without_repeats),
        Field(min_length=1),
    ] = ("pixels",)
    resamples: Annotated[int, Field(gt=0, le=100_000)] = 1000
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    seed: Annotated[int, Field(ge=0)] = 0


class RunSection(Section):
    """How it is computed; of these only precision and compile change any number."""

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

    metrics: what the matrix shows of each cell; worst_class where classes, not groups, matter.
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
    metrics: Annotated[
        tuple[Metric, ...],
        BeforeValidator(_as_list),
        Field(min_length=1),
        AfterValidator(_without_repeats),
    ] = ("accuracy", "wga")
    localize: LocalizeSection = LocalizeSection()
    run: RunSection = RunSection()
    notes: tuple[str, ...] = ()
    # Private, so that it is part of no dump: records and saved heads hold none of it.
    _origin: Origin = PrivateAttr(default=Origin())

    @property
    def origin(self) -> str:
        """The resolved path of the file it was read from, else what stands for its dataset."""
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
        """Side, in pixels, to which crops are resized unless a baseline says otherwise."""
        return self.embedding.input_size or self.image.size

    @property
    def too_large_crop(self) -> str:
        """What is wrong with the largest crop that is to be placed, or an empty string."""
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
