"""A plan derives from an experiment the rows and columns of its matrix and the specs they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product

from ...cache.layout import ArrayField
from ...datasets.collection import Collection
from ...errors import UsageError
from ...models.identity import BackboneInfo
from ...stages.aggregators import check_head_count, parse_aggregator
from ...stages.attention import NUMERICS, tokens
from ...stages.geometry import Canvas
from ...stages.specs import AttentionSpec, BoxSpec, EmbeddingSpec, FeatureSpec, ModelSpec, parts_of
from ..experiment.schema import Experiment
from ..experiment.sections import RunSection
from .rows import PlanRow, attention_maps, attention_rows, baseline_rows, combined_row

Spec = AttentionSpec | BoxSpec | EmbeddingSpec
Stored = Spec | Canvas
STAGES = ("attention", "boxes", "embeddings")


@dataclass(frozen=True)
class Plan:
    """A plan is everything an experiment needs, as specs. It does not know what is stored already.

    experiment: what was asked for. collection: the images. backbones: what is known of each model
    that the experiment names, by its name. attention: the attention to store, model by model.
    rows: the rows of the matrix.
    """

    experiment: Experiment
    collection: Collection
    backbones: Mapping[str, BackboneInfo]
    attention: tuple[AttentionSpec, ...]
    rows: tuple[PlanRow, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the embedding models."""
        return self.experiment.embedding.models

    def features(self, row: PlanRow, column: str) -> tuple[FeatureSpec, ...]:
        """Return the features that are concatenated in one cell, in the order of its boxes."""
        model = self.model_spec(column)
        return tuple(spec for block in row.blocks for spec in block.features(model))

    def width(self, row: PlanRow, column: str) -> int:
        """Return how many numbers one sample has in a cell."""
        return self.backbones[column].dim * len(self.features(row, column))

    def only(self, row: PlanRow) -> Plan:
        """Return the plan of one row alone, with the attention that its boxes are placed by."""
        read = {box.placed_by.attention for box in row.boxes if box.placed_by}
        attention = tuple(spec for spec in self.attention if spec in read)
        return replace(self, attention=attention, rows=(row,))

    def model_spec(self, name: str) -> ModelSpec:
        """Return the spec of a model that the experiment names."""
        return _model_spec(self.backbones[name], self.experiment.run)

    def specs(self, through: str = "embeddings") -> tuple[Spec, ...]:
        """Return the specs of the stages up to `through`, each once and after those it reads.

        through: "attention", "boxes" or "embeddings".

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
            spec
            for row in self.rows
            for name in self.columns
            for feature in self.features(row, name)
            for spec in parts_of(feature)
        ]
        # Rows share boxes and cells share embeddings. As stages follow one another, the first place
        # of each is before all that read it.
        return tuple(spec for spec in dict.fromkeys(ordered) if spec.stage in stages)

    def pixels(self, specs: Iterable[Spec]) -> tuple[Canvas, ...]:
        """Return the canvases that specs are computed from, if the run is to store pixels."""
        if not self.experiment.run.cache_pixels:
            return ()
        return tuple(sorted({spec.pixels for spec in specs if spec.pixels}))

    def field(self, spec: Stored) -> ArrayField:
        """Return the name, shape of a row and type of what is stored for a spec."""
        return spec.array(self.backbones)


def make_plan(
    experiment: Experiment, collection: Collection, backbones: Mapping[str, BackboneInfo]
) -> Plan:
    """Return the plan of an experiment over a collection.

    backbones: what is known of every model that the experiment names, by its name.

    Raises:
        UsageError: a model lacks a block or has too few heads, its patches do not divide its input,
            boxes do not fit the image, or a combination names no row or several.
    """
    attention = [
        spec
        for name in experiment.attention.models
        for spec in _attention_specs(experiment, backbones[name])
    ]
    maps = attention_maps(experiment, attention)
    rows = attention_rows(experiment, maps)
    for baseline in experiment.embedding.parsed_baselines:
        rows += baseline_rows(experiment, baseline, maps)
    unique = {row.key: row for row in rows}  # "random" and "random:0" are one row
    for section in experiment.combine:
        combined = combined_row(section, list(unique.values()))
        unique[combined.key] = combined
    for name, size in product(
        experiment.embedding.models, _input_sizes(experiment, unique.values())
    ):
        tokens(backbones[name], size)
    return Plan(experiment, collection, backbones, tuple(attention), tuple(unique.values()))


def _input_sizes(experiment: Experiment, rows: Iterable[PlanRow]) -> set[int]:
    """Return the sides in pixels of what embedding models are shown."""
    return {experiment.embedding_input, *(b.input_size for row in rows for b in row.blocks)}


def _attention_specs(experiment: Experiment, info: BackboneInfo) -> list[AttentionSpec]:
    """Return a spec for each block of a model that the experiment asks for."""
    section = experiment.attention
    size = section.input_size or experiment.image.size
    tokens(info, size)
    for heads in section.heads:
        check_head_count(parse_aggregator(heads), info.heads, info.name)
    model = _model_spec(info, experiment.run)
    image = experiment.image
    return [
        AttentionSpec(model, size, block, image.geometry, image.draft, image.decode)
        for block in _blocks(info, section.layers)
    ]


def _blocks(info: BackboneInfo, layers: str | Iterable[int]) -> tuple[int, ...]:
    """Return the numbers of the blocks that `layers` names, counted from 1."""
    if layers == "last":
        return (info.blocks,)
    if layers == "all":
        return tuple(range(1, info.blocks + 1))
    chosen = tuple(int(layer) for layer in layers)
    for layer in chosen:
        if not 1 <= layer <= info.blocks:
            raise UsageError(f"{info.name} has blocks 1 to {info.blocks}, not {layer}.")
    return chosen


def _model_spec(info: BackboneInfo, run: RunSection) -> ModelSpec:
    exact = run.precision == "fp32" and not run.compile
    return ModelSpec(
        architecture=info.architecture,
        weights=info.weights,
        mean=info.mean,
        std=info.std,
        precision=run.precision,
        compiled=run.compile,
        numerics=1 if exact else NUMERICS,
        name=info.name,
    )
