"""A plan derives from an experiment the rows and columns of its matrix and the specs they need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product

from ...cache.layout import ArrayField
from ...datasets.collection import Collection as Samples
from ...errors import UsageError
from ...models.identity import BackboneInfo
from ...models.outputs import Block, parse_statistic
from ...stages.aggregators import check_head_count, parse_aggregator
from ...stages.attention import tokens
from ...stages.geometry import Canvas
from ...stages.passes import NUMERICS
from ...stages.specs import (
    AttentionSpec,
    BoxSpec,
    EmbeddingSpec,
    FeatureSpec,
    MapSource,
    ModelSpec,
    PatchSpec,
    parts_of,
)
from ..experiment.schema import Experiment
from ..experiment.sections import RunSection
from .columns import Column, find_columns
from .rows import PlanRow, attention_maps, attention_rows, baseline_rows, combined_row

Spec = AttentionSpec | PatchSpec | BoxSpec | EmbeddingSpec
Stored = Spec | Canvas
STAGES = ("attention", "patches", "boxes", "embeddings")
THROUGH = {
    "attention": ("attention",),
    "patches": ("patches",),
    "maps": ("attention", "patches"),
    "boxes": ("attention", "patches", "boxes"),
    "embeddings": STAGES,
}
"""The stages that are computed, by how far an experiment is to come; "maps" are what boxes are
placed by."""


@dataclass(frozen=True)
class Plan:
    """A plan is everything an experiment needs, as specs. It does not know what is stored already.

    experiment: what was asked for. collection: the images. backbones: what is known of each model
    that the experiment names, by its name. attention, patches: what is stored to tell where to
    look, model by model. rows: the rows of the matrix. embedded: its columns.
    """

    experiment: Experiment
    collection: Samples
    backbones: Mapping[str, BackboneInfo]
    attention: tuple[AttentionSpec, ...]
    patches: tuple[PatchSpec, ...]
    rows: tuple[PlanRow, ...]
    embedded: tuple[Column, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(column.name for column in self.embedded)

    def column(self, name: str) -> Column:
        """Return the column of this name."""
        return next(column for column in self.embedded if column.name == name)

    def features(self, row: PlanRow, column: str) -> tuple[FeatureSpec, ...]:
        """Return the features that are concatenated in one cell, in the order of its boxes.

        Raises UsageError if a pool takes more patches than the model has at a box's input size.
        """
        found = self.column(column)
        info, model = self.backbones[found.model], self.model_spec(found.model)
        return tuple(
            feature
            for block in row.blocks
            for pool in found.pools_at(info, block.input_size)
            for feature in block.features(model, pool)
        )

    def width(self, row: PlanRow, column: str) -> int:
        """Return how many numbers one sample has in a cell."""
        parts = [parts_of(feature)[0] for feature in self.features(row, column)]
        return sum(self.field(part).shape[0] for part in parts)

    def only(self, row: PlanRow) -> Plan:
        """Return the plan of one row alone, with what its boxes are placed by."""
        read: set[MapSource] = {box.placed_by.attention for box in row.boxes if box.placed_by}
        attention = tuple(spec for spec in self.attention if spec in read)
        patches = tuple(spec for spec in self.patches if spec in read)
        return replace(self, attention=attention, patches=patches, rows=(row,))

    def model_spec(self, name: str) -> ModelSpec:
        """Return the spec of a model that the experiment names."""
        return _model_spec(self.backbones[name], self.experiment.run)

    def specs(self, through: str = "embeddings") -> tuple[Spec, ...]:
        """Return the specs that are computed to come so far, each once and after those it reads.

        through: a key of THROUGH.

        Raises:
            UsageError: they include crops that are larger than the image.
        """
        return self.specs_of(THROUGH[through])

    def specs_of(self, stages: Collection[str]) -> tuple[Spec, ...]:
        """Return the specs of some stages, in the order of STAGES; raises as `specs`."""
        problem = self.experiment.too_large_crop
        if problem and "boxes" in stages:
            raise UsageError(f"{problem}.")
        ordered: list[Spec] = [*self.attention, *self.patches]
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
    experiment: Experiment, collection: Samples, backbones: Mapping[str, BackboneInfo]
) -> Plan:
    """Return the plan of an experiment over a collection.

    backbones: what is known of every model that the experiment names, by its name.

    Raises:
        UsageError: a model lacks a block, a pool or patches, or has too few heads, its patches do
            not divide its input, boxes do not fit the image, or a combination names no row or
            several.
    """
    sources = [
        spec
        for name in experiment.attention.models
        for spec in _map_sources(experiment, backbones[name])
    ]
    maps = attention_maps(experiment, sources)
    rows = attention_rows(experiment, maps)
    for baseline in experiment.embedding.parsed_baselines:
        rows += baseline_rows(experiment, baseline, maps)
    unique = {row.key: row for row in rows}  # "random" and "random:0" are one row
    for section in experiment.combine:
        combined = combined_row(section, list(unique.values()))
        unique[combined.key] = combined
    columns = find_columns(experiment.embedding)
    for column, size in product(columns, _input_sizes(experiment, unique.values())):
        tokens(backbones[column.model], size)
        column.pools_at(backbones[column.model], size)
    asked = [*sources, *_asked_for(experiment, backbones)]
    return Plan(
        experiment,
        collection,
        backbones,
        attention=tuple(spec for spec in asked if isinstance(spec, AttentionSpec)),
        patches=tuple(dict.fromkeys(spec for spec in asked if isinstance(spec, PatchSpec))),
        rows=tuple(unique.values()),
        embedded=columns,
    )


def _input_sizes(experiment: Experiment, rows: Iterable[PlanRow]) -> set[int]:
    """Return the sides in pixels of what embedding models are shown."""
    return {experiment.embedding_input, *(b.input_size for row in rows for b in row.blocks)}


def _map_sources(experiment: Experiment, info: BackboneInfo) -> list[MapSource]:
    """Return what maps are made of for one model: blocks of its attention, or statistics."""
    found: list[MapSource] = []
    for source in experiment.attention.source:
        if source == "attention":
            found += _attention_specs(experiment, info)
        else:
            found.append(_patch_spec(experiment, info, source))
    return found


def _asked_for(experiment: Experiment, backbones: Mapping[str, BackboneInfo]) -> list[PatchSpec]:
    """Return the statistics that are stored whether or not a map is made of them."""
    return [
        _patch_spec(experiment, backbones[name], statistic)
        for name in experiment.attention.models
        for statistic in experiment.patches.statistics
    ]


def _patch_spec(experiment: Experiment, info: BackboneInfo, statistic: str) -> PatchSpec:
    size, image = _map_input(experiment), experiment.image
    tokens(info, size)
    model = _model_spec(info, experiment.run)
    text = info.resolve(parse_statistic(statistic), size).text
    return PatchSpec(model, size, text, image.geometry, image.draft, image.decode)


def _map_input(experiment: Experiment) -> int:
    """Return the side in pixels of what models that tell where to look are shown."""
    return experiment.attention.input_size or experiment.image.size


def _attention_specs(experiment: Experiment, info: BackboneInfo) -> list[AttentionSpec]:
    """Return a spec for each block of a model that the experiment asks for."""
    section, size, image = experiment.attention, _map_input(experiment), experiment.image
    tokens(info, size)
    blocks = [info.resolve(Block(number), size) for number in _blocks(info, section.layers)]
    for heads in section.heads:
        check_head_count(parse_aggregator(heads), info.heads, info.name)
    model = _model_spec(info, experiment.run)
    return [
        AttentionSpec(model, size, block.number, image.geometry, image.draft, image.decode)
        for block in blocks
    ]


def _blocks(info: BackboneInfo, layers: str | Iterable[int]) -> tuple[int, ...]:
    """Return the numbers of the blocks that `layers` names, counted from 1."""
    if layers == "last":
        return (info.blocks,)
    if layers == "all":
        return tuple(range(1, info.blocks + 1))
    return tuple(int(layer) for layer in layers)


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
