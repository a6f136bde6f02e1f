"""From an experiment to the specs it needs: rows and columns of the matrix, and their sources."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from ..cache.layout import ArrayField
from ..datasets.collection import Collection
from ..errors import UsageError
from ..models.identity import BackboneInfo
from ..stages.aggregators import check_head_count, parse_aggregator
from ..stages.geometry import Canvas
from ..stages.placement import map_words
from ..stages.specs import (
    AttentionSpec,
    BoxSpec,
    CenterBox,
    EmbeddingSpec,
    FullBox,
    GreedyBox,
    MapSpec,
    ModelSpec,
    RandomBox,
)
from .baselines import Baseline
from .crop_source import crop_source, pixels_key, pixels_words
from .experiment import Experiment, RunSection

Spec = AttentionSpec | BoxSpec | EmbeddingSpec
STAGES = ("attention", "boxes", "embeddings")


@dataclass(frozen=True)
class PlanRow:
    """One row of the matrix: where to look.

    key: unique within the plan; boxes: one spec a crop, in order of selection;
    map: the attention map the boxes were placed on, None for a baseline;
    input_size: side to which crops are resized for the embedding model.
    """

    key: str
    label: str
    kind: Literal["attention", "baseline", "control"]
    boxes: tuple[BoxSpec, ...]
    input_size: int
    attention: str = ""
    crops: tuple[int, ...] = ()
    smooth: int = 1
    map: MapSpec | None = None
    baseline: str = ""


@dataclass(frozen=True)
class Plan:
    """Everything an experiment needs, as specs; knows nothing of what is already stored."""

    experiment: Experiment
    collection: Collection
    backbones: Mapping[str, BackboneInfo]
    attention: tuple[AttentionSpec, ...]
    rows: tuple[PlanRow, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.experiment.embedding.models

    def features(self, row: PlanRow, column: str) -> tuple[EmbeddingSpec, ...]:
        """The embeddings that are concatenated in one cell, in order of selection."""
        model, size = self.model_spec(column), row.input_size
        wanted = self.experiment.crops.source
        return tuple(
            EmbeddingSpec(box, model, size, crop_source(wanted, box, size)) for box in row.boxes
        )

    def model_spec(self, name: str) -> ModelSpec:
        return _model_spec(self.backbones[name], self.experiment.run)

    def specs(self, through: str = "embeddings") -> tuple[Spec, ...]:
        """Unique specs of the stages up to `through`, each after those it reads from.

        Raises:
            UsageError: they include crops that are larger than the image.
        """
        problem = self.experiment.too_large_crop
        if problem and through != "attention":
            raise UsageError(f"{problem}.")
        stages = STAGES[: STAGES.index(through) + 1]
        ordered: list[Spec] = list(self.attention)
        ordered += [box for row in self.rows for box in row.boxes]
        ordered += [
            spec for row in self.rows for name in self.columns for spec in self.features(row, name)
        ]
        return tuple(spec for spec in dict.fromkeys(ordered) if spec.stage in stages)

    def field(self, spec: Spec) -> ArrayField:
        """Name, shape of a row and type of what the spec stores."""
        if isinstance(spec, AttentionSpec):
            info = self.backbones[spec.model.name]
            return ArrayField(
                "attention", (info.heads, tokens(info, spec.input_size)), "float32", math.nan
            )
        if isinstance(spec, EmbeddingSpec):
            return ArrayField(
                "embedding", (self.backbones[spec.model.name].dim,), "float32", math.nan
            )
        return ArrayField("box", (4,), "int32", -1)


def tokens(info: BackboneInfo, input_size: int) -> int:
    """Number of tokens at this input size: prefix tokens and patches.

    Raises:
        UsageError: the input size is not a multiple of the patch size.
    """
    if input_size % info.patch:
        raise UsageError(
            f"{info.name} has patches of {info.patch} px, which do not divide "
            f"an input of {input_size} px; choose a multiple of {info.patch}."
        )
    return info.prefix_tokens + (input_size // info.patch) ** 2


def make_plan(
    experiment: Experiment, collection: Collection, backbones: Mapping[str, BackboneInfo]
) -> Plan:
    """The plan of an experiment over a collection; `backbones` has every model it names."""
    attention: list[AttentionSpec] = []
    rows: list[PlanRow] = []
    for name in experiment.attention.models:
        specs = _attention_specs(experiment, backbones[name])
        attention += specs
        rows += _attention_rows(experiment, specs)
    for name in experiment.embedding.models:
        tokens(backbones[name], experiment.embedding.input_size or experiment.image.size)
    for baseline in experiment.embedding.parsed_baselines:
        rows += _baseline_rows(experiment, baseline)
    unique = {row.key: row for row in rows}
    return Plan(experiment, collection, backbones, tuple(attention), tuple(unique.values()))


def _attention_specs(experiment: Experiment, info: BackboneInfo) -> list[AttentionSpec]:
    section = experiment.attention
    size = section.input_size or experiment.image.size
    tokens(info, size)
    for heads in section.heads:
        check_head_count(parse_aggregator(heads), info.heads, info.name)
    model = _model_spec(info, experiment.run)
    geometry = experiment.image.geometry
    return [AttentionSpec(model, size, block, geometry) for block in _blocks(info, section.layers)]


def _blocks(info: BackboneInfo, layers: str | Iterable[int]) -> tuple[int, ...]:
    if layers == "last":
        return (info.blocks,)
    if layers == "all":
        return tuple(range(1, info.blocks + 1))
    chosen = tuple(int(layer) for layer in layers)
    for layer in chosen:
        if not 1 <= layer <= info.blocks:
            raise UsageError(f"{info.name} has blocks 1 to {info.blocks}, not {layer}.")
    return chosen


def _attention_rows(experiment: Experiment, specs: list[AttentionSpec]) -> list[PlanRow]:
    return [
        _attention_row(experiment, attention_map, sizes)
        for spec in specs
        for attention_map in _map_specs(experiment, spec)
        for sizes in experiment.crops.sizes
    ]


def _map_specs(experiment: Experiment, spec: AttentionSpec) -> list[MapSpec]:
    section, smooth = experiment.attention, experiment.crops.smooth
    return [MapSpec(spec, *ways) for ways in product(section.heads, section.reading, smooth)]


def _attention_row(
    experiment: Experiment, attention_map: MapSpec, sizes: tuple[int, ...]
) -> PlanRow:
    spec, smooth = attention_map.attention, attention_map.smooth
    crops = "+".join(map(str, sizes))
    layer = "" if experiment.attention.layers == "last" else f" block {spec.block}"
    smoothed = "" if smooth == 1 else f" smooth {smooth}"
    pixels = (experiment.image.canvas, experiment.crops.source)
    ways = f"smooth{smooth}{_map_key(attention_map)}{pixels_key(*pixels)}"
    what = f"{crops} px{smoothed}{map_words(attention_map)}{pixels_words(*pixels)}"
    return PlanRow(
        key=f"{spec.model.name}/block{spec.block}/{crops}/{ways}",
        label=f"{spec.model.name}{layer}, {what}",
        kind="control" if spec.model.name.endswith("_random") else "attention",
        boxes=greedy_chain(attention_map, sizes, experiment.image.size),
        input_size=_embedding_input(experiment),
        attention=spec.model.name,
        crops=sizes,
        smooth=smooth,
        map=attention_map,
    )


def _map_key(attention_map: MapSpec) -> str:
    """Nothing for the mean of slices, so that rows keep the key they had before there was more."""
    ways = (attention_map.heads, attention_map.reading)
    return "".join(f"/{way}" for way in ways if way not in ("mean", "slice"))


def greedy_chain(
    attention_map: MapSpec, sizes: tuple[int, ...], canvas: int
) -> tuple[GreedyBox, ...]:
    """One spec a crop, each on the one before, so that lists share their common prefix."""
    chain: list[GreedyBox] = []
    for size in sizes:
        chain.append(GreedyBox(attention_map, size, canvas, chain[-1] if chain else None))
    return tuple(chain)


def random_chain(sizes: tuple[int, ...], canvas: Canvas, seed: int) -> tuple[RandomBox, ...]:
    """Random squares of the given sizes that do not overlap."""
    chain: list[RandomBox] = []
    for size in sizes:
        previous = chain[-1] if chain else None
        chain.append(RandomBox(size, canvas.side, seed, previous, canvas.geometry))
    return tuple(chain)


def _baseline_rows(experiment: Experiment, baseline: Baseline) -> list[PlanRow]:
    canvas = experiment.image.canvas
    side, geometry = canvas.side, canvas.geometry
    if baseline.kind == "full":
        return [
            _baseline_row(experiment, baseline, "full", "full image", (FullBox(side, geometry),))
        ]
    if baseline.kind == "center":
        boxes = (CenterBox(_fitting(baseline.size, side), side, geometry),)
        label = f"centre crop, {baseline.size} px"
        return [_baseline_row(experiment, baseline, f"center:{baseline.size}", label, boxes)]
    return [_random_row(experiment, baseline, sizes) for sizes in experiment.crops.sizes]


def _random_row(experiment: Experiment, baseline: Baseline, sizes: tuple[int, ...]) -> PlanRow:
    crops = "+".join(map(str, sizes))
    key = f"random:{baseline.seed}/{crops}"
    label = f"random crops, {crops} px, seed {baseline.seed}"
    boxes = random_chain(sizes, experiment.image.canvas, baseline.seed)
    return _baseline_row(experiment, baseline, key, label, boxes)


def _baseline_row(
    experiment: Experiment, baseline: Baseline, key: str, label: str, boxes: tuple[BoxSpec, ...]
) -> PlanRow:
    size = baseline.input_size or _embedding_input(experiment)
    at = f" at {baseline.input_size} px" if baseline.input_size else ""
    pixels = (experiment.image.canvas, crop_source(experiment.crops.source, boxes[0], size))
    return PlanRow(
        key=f"{key}@{size}{pixels_key(*pixels)}",
        label=f"{label}{at}{pixels_words(*pixels)}",
        kind="baseline",
        boxes=boxes,
        input_size=size,
        crops=tuple(box.size for box in boxes if not isinstance(box, FullBox)),
        baseline=baseline.text,
    )


def _fitting(size: int, canvas: int) -> int:
    if size > canvas:
        raise UsageError(
            f"A centre crop of {size} px does not fit into an image of {canvas} px; "
            "change embedding.baselines or image.size."
        )
    return size


def _embedding_input(experiment: Experiment) -> int:
    return experiment.embedding.input_size or experiment.image.size


def _model_spec(info: BackboneInfo, run: RunSection) -> ModelSpec:
    return ModelSpec(
        architecture=info.architecture,
        weights=info.weights,
        mean=info.mean,
        std=info.std,
        precision=run.precision,
        compiled=run.compile,
        name=info.name,
    )
