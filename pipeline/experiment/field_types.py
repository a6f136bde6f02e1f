"""These are the types of the keys of an experiment, which check values and make them canonical."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

from ...errors import UsageError
from ...models.outputs import parse_pool, parse_pools, parse_statistic
from ...models.zoo.names import canonical
from ...stages.aggregators import parse_aggregator
from .baselines import parse_baseline

T = TypeVar("T")


def as_list(value: Any) -> Any:
    """Return a list of one value where it stands without a list; a list and None as they are."""
    return value if isinstance(value, list | tuple) or value is None else [value]


def as_crop_lists(value: Any) -> Any:
    """Return a list of crop lists: [64, 32] is one list of two crops, [[64, 32], [64]] is two."""
    value = as_list(value)
    return value if any(isinstance(item, list | tuple) for item in value) else [value]


def without_repeats(values: tuple[T, ...]) -> tuple[T, ...]:
    """Return the values, each once, in the order in which they first stand."""
    return tuple(dict.fromkeys(values))


def _canonical_aggregator(text: str) -> str:
    return parse_aggregator(text).text


def _canonical_statistic(text: str) -> str:
    return parse_statistic(text).text


def _canonical_source(text: str) -> str:
    if text == "attention":
        return text
    found = parse_statistic(text)
    if found.kind == "norm":
        raise UsageError("The norms of patches are no map of where to look; name another source.")
    return found.text


def _canonical_pools(text: str) -> str:
    return "+".join(pool.text for pool in parse_pools(text))


def _canonical_pool(text: str) -> str:
    return parse_pool(text).text


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


def _gpus(value: Any) -> Any:
    """Check what says which GPUs are taken, and return a list of numbers as a tuple."""
    # Refused here, as pydantic's message on a union names only one of its halves.
    number = type(value) is int and value > 0
    numbers = isinstance(value, list | tuple) and all(type(n) is int and n >= 0 for n in value)
    if not (value == "all" or number or (numbers and value)):
        raise ValueError(f'write "all", a number of GPUs or a list such as [0, 2], not {value!r}')
    if not numbers:
        return value
    if twice := [n for place, n in enumerate(value) if n in value[:place]]:
        raise ValueError(f"names GPU {twice[0]} twice")
    return tuple(value)


Several = Annotated[tuple[T, ...], BeforeValidator(as_list), AfterValidator(without_repeats)]
"""Values that each count once; one may stand without a list."""
OneOrMore = Annotated[Several[T], Field(min_length=1)]
Models = Several[Annotated[str, AfterValidator(canonical)]]
Aggregator = Annotated[str, AfterValidator(_canonical_aggregator)]
StatisticText = Annotated[str, AfterValidator(_canonical_statistic)]
MapSourceText = Annotated[str, AfterValidator(_canonical_source)]
PoolText = Annotated[str, AfterValidator(_canonical_pools)]
BaselineText = Annotated[str, AfterValidator(_baseline)]
TrainedPool = Annotated[str, AfterValidator(_canonical_pool)]
CropList = Annotated[tuple[PositiveInt, ...], Field(min_length=1), AfterValidator(_not_growing)]
OddInt = Annotated[PositiveInt, AfterValidator(_odd)]
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0)]
Reading = Literal["slice", "patch-softmax"]
Gpus = Annotated[Literal["all"] | int | tuple[int, ...], BeforeValidator(_gpus)]
Precision = Literal["fp32", "bf16", "fp16"]
Metric = Literal["accuracy", "wga", "worst_class"]
Evaluation = Literal["pixels", "patch-centre", "patch-overlap", "point-in-box", "centre"]
MaskingOrder = Literal["highest", "lowest", "random"]
MaskingFill = Literal["zero", "image-mean", "blur"]
MaskingHead = Literal["own", "linear", "nearest-mean"]
