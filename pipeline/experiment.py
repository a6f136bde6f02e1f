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
    field_validator,
    model_validator,
)

from .baselines import Baseline, parse_baseline

T = TypeVar("T")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) or value is None else [value]


def _as_crop_lists(value: Any) -> Any:
    """[64, 32] is one list of two crops; [[64, 32], [64]] is two lists."""
    value = _as_list(value)
    return value if any(isinstance(item, list | tuple) for item in value) else [value]


def _without_repeats(values: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), AfterValidator(_without_repeats)]
CropList = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
OddInt = Annotated[int, Field(ge=1, multiple_of=1)]
Precision = Literal["fp32", "bf16", "fp16"]


class Section(BaseModel):
    """A part of the experiment; immutable, and strict about the keys it knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetSection(Section):
    """Which images: a registered name, a folder, a manifest (.csv, .parquet)."""

    name: str
    root: Path | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class ImageSection(Section):
    """The square canvas that an image becomes: boxes are placed on it and cut from it."""

    size: PositiveInt = 224
    geometry: Literal["squash"] = "squash"


class AttentionSection(Section):
    """Which models say where to look; input_size is the canvas unless given."""

    models: Names = ()
    layers: Literal["last", "all"] | tuple[int, ...] = "last"
    heads: str = "mean"
    reading: Literal["slice", "patch-softmax"] = "slice"
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
    """Crop lists in order of selection, in pixels of the canvas; smooth: mean filter, 1 is off."""

    sizes: Annotated[tuple[CropList, ...], BeforeValidator(_as_crop_lists)] = ((64,),)
    smooth: Annotated[tuple[OddInt, ...], BeforeValidator(_as_list), Field(min_length=1)] = (1,)

    @field_validator("sizes")
    @classmethod
    def _descending(cls, lists: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        for sizes in lists:
            if list(sizes) != sorted(sizes, reverse=True):
                raise ValueError(f"sizes must not grow along a list, as they do in {list(sizes)}")
        return lists

    @field_validator("smooth")
    @classmethod
    def _odd(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if any(value % 2 == 0 for value in values):
            raise ValueError(f"a side of the mean filter must be odd, not {list(values)}")
        return values


class EmbeddingSection(Section):
    """Which models say what to extract, and the baselines that need no attention."""

    models: Names = ()
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


class HeadSection(BaseModel):
    """A head by kind; every further key is a parameter of that head."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = "logistic"
    name: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    @property
    def label(self) -> str:
        return self.name or self.kind


class RunSection(Section):
    """How it is computed; of these only precision changes any number."""

    device: str = "auto"
    precision: Precision = "fp32"
    batch_size: PositiveInt = 64
    workers: PositiveInt | None = None
    backend: Literal["zarr", "hdf5"] = "zarr"
    shard_size: PositiveInt = 1024
    limit: PositiveInt | None = None
    skip_bad_images: bool = False
    offline: bool = False
    weights: dict[str, Path] = Field(default_factory=dict)


class Experiment(Section):
    """A grid: attention models x crop lists x embedding models x heads on one dataset."""

    name: str = "experiment"
    dataset: DatasetSection
    image: ImageSection = ImageSection()
    attention: AttentionSection = AttentionSection()
    crops: CropsSection = CropsSection()
    embedding: EmbeddingSection = EmbeddingSection()
    head: Annotated[tuple[HeadSection, ...], BeforeValidator(_as_list), Field(min_length=1)] = (
        HeadSection(),
    )
    run: RunSection = RunSection()
    notes: tuple[str, ...] = ()

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not value or value.startswith(".") or "/" in value or "\\" in value:
            raise ValueError(f"a name is used as a file name, which {value!r} cannot be")
        return value

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

    @property
    def too_large_crop(self) -> str:
        """What is wrong with the largest crop that is to be placed, or an empty string."""
        largest = max(size for sizes in self.crops.sizes for size in sizes)
        placed = self.attention.models or any("random" in name for name in self.embedding.baselines)
        if not placed or largest <= self.image.size:
            return ""
        return (
            f"A crop of {largest} px does not fit into an image of {self.image.size} px; "
            "change crops.sizes or image.size"
        )
