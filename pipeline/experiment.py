"""The experiment file: one small TOML in which everything but the names has a default."""

from __future__ import annotations

import copy
import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from ..datasets.registry import is_registered
from ..errors import UsageError
from .baselines import Baseline, parse_baseline


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) or value is None else [value]


def _as_crop_lists(value: Any) -> Any:
    """[64, 32] is one list of two crops; [[64, 32], [64]] is two lists."""
    value = _as_list(value)
    return value if any(isinstance(item, list | tuple) for item in value) else [value]


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
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
        return tuple(numbers)


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


def load_experiment(
    source: Path | str | Mapping[str, Any] | None, overrides: Mapping[str, Any] | None = None
) -> Experiment:
    """Read an experiment from a TOML file or a mapping of the same shape, or from overrides alone.

    overrides: dotted keys such as "image.size", which win over the source; "head.kind" and
    "head.options" describe one head that replaces all heads of the source. In a TOML file, a
    relative `dataset.root`, a dataset given by its path and relative weight files are taken from
    the file's own folder.

    Raises:
        UsageError: the file is missing or not TOML, a key is unknown, or a value does not fit.
    """
    where = "" if source is None or isinstance(source, Mapping) else f" in {source}"
    content, overrides = _content(source), dict(overrides or {})
    if overrides.keys() & {"head.kind", "head.options"}:
        kind = overrides.pop("head.kind", "logistic")
        content["head"] = [{"kind": kind, **overrides.pop("head.options", {})}]
    for key, value in overrides.items():
        _put(content, key.split("."), value)
    if "dataset" not in content:
        raise UsageError("Name a dataset: an experiment file, or --dataset NAME or PATH.")
    if isinstance(content["dataset"], dict) and "name" in content["dataset"]:
        content.setdefault("name", Path(str(content["dataset"]["name"])).stem or "experiment")
    return _validate(content, where)


def _content(source: Path | str | Mapping[str, Any] | None) -> dict[str, Any]:
    if source is None or isinstance(source, Mapping):
        return copy.deepcopy(dict(source or {}))
    path = Path(source)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"The experiment {path} cannot be read ({reason}); `a2pipe experiment new {path.name}` "
            "writes one to start from."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    return _anchored({"name": path.stem, **content}, path.parent)


def _anchored(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Relative paths of an experiment file, taken from the folder it lies in."""
    dataset, run = content.get("dataset"), content.get("run")
    if isinstance(dataset, dict) and isinstance(dataset.get("root"), str):
        dataset["root"] = folder / Path(dataset["root"]).expanduser()
    if isinstance(dataset, dict) and isinstance(dataset.get("name"), str):
        dataset["name"] = _beside(dataset["name"], folder)
    if isinstance(run, dict) and isinstance(run.get("weights"), dict):
        run["weights"] = {name: folder / str(file) for name, file in run["weights"].items()}
    return content


def _beside(name: str, folder: Path) -> str:
    """A dataset that is a path, taken from the experiment's folder if it lies there."""
    there = folder / Path(name).expanduser()
    return str(there) if there.exists() and not is_registered(name) else name


def _put(content: dict[str, Any], keys: list[str], value: Any) -> None:
    *sections, last = keys
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            return  # which the validation refuses
    content[last] = value


def to_toml(experiment: Experiment) -> str:
    """The whole experiment with every default written out, as TOML that reads back equal.

    TOML has no word for none, so a key that is not set stands in a comment.
    """
    content = experiment.model_dump(mode="json")
    heads = content.pop("head")
    scalars = {key: value for key, value in content.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    lines = [_assignments(scalars)]
    lines += [_table(f"[{name}]", table) for name, table in tables.items()]
    lines += [_table("[[head]]", head) for head in heads]
    return "\n".join(lines)


def _table(header: str, table: dict[str, Any]) -> str:
    return f"{header}\n{_assignments(table)}"


def _assignments(table: dict[str, Any]) -> str:
    return "".join(
        f"# {key} is not set\n" if value is None else f"{_key(key)} = {_value(value)}\n"
        for key, value in table.items()
    )


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _validate(content: Mapping[str, Any], where: str) -> Experiment:
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(_sentence(first, where)) from error


def _sentence(error: Any, where: str) -> str:
    """What is wrong with which key, from the first error that pydantic found."""
    place = ".".join(str(part) for part in error["loc"] if not isinstance(part, int))
    message = str(error["msg"]).removeprefix("Value error, ").removesuffix(".")
    if error["type"] == "extra_forbidden":
        return f"Unknown key {place!r}{where}; {_hint(error['loc'])}"
    if error["type"] == "missing":
        return f"The key {place!r} is missing{where}."
    if error["type"] == "model_type":
        return f"{place!r}{where} is a section of its own: write [{place}] and its keys below."
    if error["type"] == "too_short":
        return f"{place!r}{where} needs at least one value."
    if message.startswith("Input should"):
        return f"{place!r}{where} {_expected(message)}, not {error['input']!r}."
    return f"{place!r}{where}: {message}." if place else f"{message}{where}."


def _expected(message: str) -> str:
    """Pydantic's "Input should be a valid integer, unable to ...", in the words of TOML."""
    wanted = re.sub(r", (unable|got) .*", "", message.removeprefix("Input "))
    return wanted.replace("valid tuple", "list").replace("valid dictionary", "table")


def _hint(location: tuple[str | int, ...]) -> str:
    known = list(_known_keys(location[:-1]))
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"valid keys are {', '.join(known)}."


def _known_keys(location: tuple[str | int, ...]) -> Iterator[str]:
    section: Any = Experiment
    for part in location:
        section = section.model_fields[str(part)].annotation
    yield from section.model_fields
