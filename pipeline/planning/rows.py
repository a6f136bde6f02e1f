"""The rows of a matrix: attention models with their crops, baselines, and combinations of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from ...errors import UsageError
from ...stages.boxes import check_tiles
from ...stages.geometry import Canvas
from ...stages.placement import map_words
from ...stages.specs import (
    AttentionSpec,
    BoxSpec,
    CenterBox,
    EmbeddingSpec,
    FeatureSpec,
    FullBox,
    GreedyBox,
    MapSpec,
    MeanSpec,
    ModelSpec,
    RandomBox,
    TileBox,
)
from ..experiment.baselines import Baseline
from ..experiment.schema import CombineSection, Experiment
from .crop_source import crop_source, pixels_key, pixels_words


@dataclass(frozen=True)
class Block:
    """Boxes of one row that are embedded alike.

    input_size: side to which they are resized for the embedding model; source: what they are cut
    from; mean: their embeddings are averaged, and not concatenated; draft: of the canvas.
    """

    boxes: tuple[BoxSpec, ...]
    input_size: int
    source: str = "resized"
    mean: bool = False
    draft: bool = False

    def features(self, model: ModelSpec) -> tuple[FeatureSpec, ...]:
        """What a model makes of the boxes, in their order."""
        found = tuple(self._embedding(box, model) for box in self.boxes)
        return (MeanSpec(found),) if self.mean else found

    def _embedding(self, box: BoxSpec, model: ModelSpec) -> EmbeddingSpec:
        """Originals are decoded in full; only what is cut from the canvas may be of a draft."""
        source = crop_source(self.source, box, self.input_size)
        draft = self.draft and source == "resized"
        return EmbeddingSpec(box, model, self.input_size, source, draft)


@dataclass(frozen=True)
class PlanRow:
    """One row of the matrix: where to look.

    key: unique within the plan; blocks: what is concatenated, in order; map: the attention map the
    boxes were placed on, None for a row that is not of one attention model.
    """

    key: str
    label: str
    kind: Literal["attention", "combination", "baseline", "control"]
    blocks: tuple[Block, ...]
    attention: str = ""
    crops: tuple[int, ...] = ()
    smooth: int = 1
    map: MapSpec | None = None
    baseline: str = ""

    @property
    def boxes(self) -> tuple[BoxSpec, ...]:
        """One spec a crop, in order of selection."""
        return tuple(box for block in self.blocks for box in block.boxes)

    def is_called(self, name: str) -> bool:
        """Whether a person may mean this row by the name."""
        return name in (self.key, self.label, self.attention, self.baseline) and name != ""


def find_row(rows: Sequence[PlanRow], name: str | None) -> PlanRow:
    """The one row of that key, label, attention model or baseline; the only row, if None.

    Raises:
        UsageError: there is no such row, or several.
    """
    found = [row for row in rows if name is None or row.is_called(name)]
    if len(found) == 1:
        return found[0]
    known = "; ".join(row.label for row in found or rows) or "none"
    wanted = "" if name is None else f" {name!r}"
    if found:
        raise UsageError(f"Several rows fit{wanted}; name one of: {known}.")
    raise UsageError(f"There is no row{wanted}; choose one of: {known}.")


def attention_rows(experiment: Experiment, specs: Iterable[AttentionSpec]) -> list[PlanRow]:
    """Every way of reading each attention, with every list of crops."""
    section, crops = experiment.attention, experiment.crops
    maps = [
        MapSpec(spec, *ways)
        for spec in specs
        for ways in product(section.heads, section.reading, crops.smooth)
    ]
    return [_attention_row(experiment, found, sizes) for found in maps for sizes in crops.sizes]


def baseline_rows(experiment: Experiment, baseline: Baseline) -> list[PlanRow]:
    """The row of a baseline; one for each list of crops, where these are placed at random."""
    canvas = experiment.image.canvas
    side, geometry = canvas.side, canvas.geometry
    if baseline.kind == "random":
        return [_random_row(experiment, baseline, sizes) for sizes in experiment.crops.sizes]
    if baseline.kind == "s2":
        return [_s2_row(experiment, baseline)]
    if baseline.kind == "full":
        boxes: tuple[BoxSpec, ...] = (FullBox(side, geometry),)
        return [_baseline_row(experiment, baseline, "full", "full image", boxes)]
    boxes = (CenterBox(_fitting(baseline.size, side), side, geometry),)
    label = f"centre crop, {baseline.size} px"
    return [_baseline_row(experiment, baseline, f"center:{baseline.size}", label, boxes)]


def combined_row(section: CombineSection, rows: Sequence[PlanRow]) -> PlanRow:
    """The features of several rows, one after the other.

    Raises:
        UsageError: a row that it names is not there, or several are.
    """
    parts = [find_row(rows, name) for name in section.rows]
    return PlanRow(
        key=f"combination:{'|'.join(part.key for part in parts)}",
        label=section.name or " + ".join(part.label for part in parts),
        kind="combination",
        blocks=tuple(block for part in parts for block in part.blocks),
    )


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


def _attention_row(
    experiment: Experiment, attention_map: MapSpec, sizes: tuple[int, ...]
) -> PlanRow:
    spec, smooth = attention_map.attention, attention_map.smooth
    crops = "+".join(map(str, sizes))
    layer = "" if experiment.attention.layers == "last" else f" block {spec.block}"
    smoothed = "" if smooth == 1 else f" smooth {smooth}"
    canvas, source = experiment.image.canvas, experiment.crops.source
    ways = f"smooth{smooth}{_map_key(attention_map)}{pixels_key(canvas, source)}"
    what = f"{crops} px{smoothed}{map_words(attention_map)}{pixels_words(canvas, source)}"
    boxes = greedy_chain(attention_map, sizes, canvas.side)
    return PlanRow(
        key=f"{spec.model.name}/block{spec.block}/{crops}/{ways}",
        label=f"{spec.model.name}{layer}, {what}",
        kind="control" if spec.model.name.endswith("_random") else "attention",
        blocks=(Block(boxes, experiment.embedding_input, source, draft=canvas.draft),),
        attention=spec.model.name,
        crops=sizes,
        smooth=smooth,
        map=attention_map,
    )


def _map_key(attention_map: MapSpec) -> str:
    """Nothing for the mean of slices, so that rows keep the key they had before there was more."""
    ways = (attention_map.heads, attention_map.reading)
    return "".join(f"/{way}" for way in ways if way not in ("mean", "slice"))


def _random_row(experiment: Experiment, baseline: Baseline, sizes: tuple[int, ...]) -> PlanRow:
    crops = "+".join(map(str, sizes))
    key = f"random:{baseline.seed}/{crops}"
    label = f"random crops, {crops} px, seed {baseline.seed}"
    boxes = random_chain(sizes, experiment.image.canvas, baseline.seed)
    return _baseline_row(experiment, baseline, key, label, boxes)


def _baseline_row(
    experiment: Experiment, baseline: Baseline, key: str, label: str, boxes: tuple[BoxSpec, ...]
) -> PlanRow:
    size, canvas = baseline.input_size or experiment.embedding_input, experiment.image.canvas
    at = f" at {baseline.input_size} px" if baseline.input_size else ""
    source = crop_source(experiment.crops.source, boxes[0], size)
    return PlanRow(
        key=f"{key}@{size}{pixels_key(canvas, source)}",
        label=f"{label}{at}{pixels_words(canvas, source)}",
        kind="baseline",
        blocks=(Block(boxes, size, experiment.crops.source, draft=canvas.draft),),
        crops=tuple(box.size for box in boxes if isinstance(box, CenterBox | RandomBox)),
        baseline=baseline.text,
    )


def _s2_row(experiment: Experiment, baseline: Baseline) -> PlanRow:
    """Scales 1 and 2: the whole image, and the mean over the 2 x 2 tiles of twice its side."""
    size, canvas = baseline.input_size or experiment.embedding_input, experiment.image.canvas
    at = f" at {baseline.input_size} px" if baseline.input_size else ""
    source = experiment.crops.source
    check_tiles(2, canvas.side)
    tiles = tuple(TileBox(number, 2, canvas.side, canvas.geometry) for number in range(4))
    whole = Block((FullBox(canvas.side, canvas.geometry),), size, source, draft=canvas.draft)
    return PlanRow(
        key=f"s2@{size}{pixels_key(canvas, source)}",
        label=f"S², scales 1 and 2{at}{pixels_words(canvas, source)}",
        kind="baseline",
        blocks=(whole, Block(tiles, size, source, mean=True, draft=canvas.draft)),
        baseline=baseline.text,
    )


def _fitting(size: int, canvas: int) -> int:
    if size > canvas:
        raise UsageError(
            f"A centre crop of {size} px does not fit into an image of {canvas} px; "
            "change embedding.baselines or image.size."
        )
    return size
