"""A row of a matrix is an attention model with its crops, a baseline, or a combination of these."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from ...errors import UsageError
from ...stages.boxes.box import NamedBoxes
from ...stages.embeddings import source_suffix
from ...stages.geometry import Canvas
from ...stages.specs import (
    BoxSpec,
    EmbeddingSpec,
    FeatureSpec,
    GreedyBox,
    MapSource,
    MapSpec,
    MeanSpec,
    ModelSpec,
)
from ..experiment.baselines import Baseline
from ..experiment.schema import Experiment
from ..experiment.sections import CombineSection


@dataclass(frozen=True)
class Block:
    """A block is boxes of one row that are embedded alike.

    boxes: in the order of selection.
    input_size: side in pixels to which they are resized for the embedding model.
    source: what they are cut from, "resized" (the canvas) or "original".
    mean: whether their embeddings are averaged; else they are concatenated.
    draft: whether the canvas is that of an image decoded at a fraction of its size.
    decoder: "pillow" or "nvjpeg", what decodes the canvas.
    """

    boxes: tuple[BoxSpec, ...]
    input_size: int
    source: str = "resized"
    mean: bool = False
    draft: bool = False
    decoder: str = "pillow"

    def features(self, model: ModelSpec, pool: str) -> tuple[FeatureSpec, ...]:
        """Return the features that a pool of a model makes of the boxes, in their order."""
        found = tuple(self._embedding(box, model, pool) for box in self.boxes)
        return (MeanSpec(found),) if self.mean else found

    def _embedding(self, box: BoxSpec, model: ModelSpec, pool: str) -> EmbeddingSpec:
        """Return the spec of one box. Pillow decodes originals in full, whatever the canvas."""
        source = _source(self.source, box, self.input_size)
        how = (self.draft, self.decoder) if source == "resized" else (False, "pillow")
        return EmbeddingSpec(box, model, self.input_size, source, *how, pool)


@dataclass(frozen=True)
class PlanRow:
    """A row of the matrix says where to look.

    key: unique within the plan, and the same in every run, so that matrices can be compared.
    label: what people call the row.
    kind: "control" is the attention of a model with random weights.
    blocks: what is concatenated, in order.
    attention: name of the attention model; empty for a row that is not of one.
    crops: sides in pixels that tables show, in the order of selection.
    smooth: side of the mean filter over the map; 1 is off.
    map: the attention map that the boxes are placed by; None for a row that is not of one.
    baseline: the text in `embedding.baselines` that the row comes from; empty for other rows.
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
        """Return the boxes of all blocks, in order."""
        return tuple(box for block in self.blocks for box in block.boxes)

    @property
    def source(self) -> str:
        """Return what the map is made of, as an experiment calls it; "" without a map."""
        return self.map.attention.source if self.map else ""

    def is_called(self, name: str) -> bool:
        """Tell whether a name means this row: by its key, label, attention model or baseline."""
        return name in (self.key, self.label, self.attention, self.baseline) and name != ""


def find_row(rows: Sequence[PlanRow], name: str | None) -> PlanRow:
    """Return the one row that a name means; None means the only row there is.

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


def attention_maps(experiment: Experiment, sources: Iterable[MapSource]) -> list[MapSpec]:
    """Return every way of reading each source of maps that the experiment names."""
    section, smooth = experiment.attention, experiment.crops.smooth
    found = []
    for source in sources:
        # Statistics of patches have no heads.
        heads = (section.heads, section.reading) if source.has_heads else (("mean",), ("slice",))
        found += [MapSpec(source, *ways) for ways in product(*heads, smooth)]
    return found


def attention_rows(experiment: Experiment, maps: Iterable[MapSpec]) -> list[PlanRow]:
    """Return the rows of greedy crops: one for each map and each list of crops."""
    return [
        _attention_row(
            experiment, found, GreedyBox.named("", experiment.image.canvas, sizes, found)
        )
        for found in maps
        for sizes in experiment.crops.sizes
    ]


def baseline_rows(
    experiment: Experiment, baseline: Baseline, maps: Sequence[MapSpec]
) -> list[PlanRow]:
    """Return the rows of a baseline: one for each list of crops and each map that its kind needs.

    Raises:
        UsageError: its boxes do not fit the image.
    """
    kind, canvas = baseline.kind, experiment.image.canvas
    rows = []
    for placed_by in maps if kind.needs_map else (None,):
        for sizes in experiment.crops.sizes if kind.needs_sizes else ((),):
            named = kind.named(baseline.option, canvas, sizes, placed_by)
            if placed_by is None:
                rows.append(_baseline_row(experiment, baseline, named))
            else:
                rows.append(_attention_row(experiment, placed_by, named, baseline))
    return rows


def combined_row(section: CombineSection, rows: Sequence[PlanRow]) -> PlanRow:
    """Return the row that has the features of several rows, one after the other.

    section: names the rows. rows: all others of the plan.

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


def _attention_row(
    experiment: Experiment,
    attention_map: MapSpec,
    named: NamedBoxes,
    baseline: Baseline | None = None,
) -> PlanRow:
    spec, smooth = attention_map.attention, attention_map.smooth
    # Keys and labels say only what departs from the defaults, so that they stay the same when a
    # later version adds a way of doing things.
    layer = spec.layer_words(experiment.attention.layers == "last")
    smoothed = "" if smooth == 1 else f" smooth {smooth}"
    canvas, source = experiment.image.canvas, experiment.crops.source
    size, at = _input_size(experiment, baseline)
    key = f"{named.key}@{size}" if baseline else named.key
    ways = f"smooth{smooth}{_map_key(attention_map)}{_pixels_key(canvas, source)}"
    what = f"{named.label}{at}{smoothed}{attention_map.suffix}{_pixels_words(canvas, source)}"
    return PlanRow(
        key=f"{spec.model.name}/{spec.place}/{key}/{ways}",
        label=f"{spec.model.name}{layer}, {what}",
        kind="control" if spec.model.name.endswith("_random") else "attention",
        blocks=_blocks(experiment, named, size),
        attention=spec.model.name,
        crops=named.crops,
        smooth=smooth,
        map=attention_map,
        baseline=baseline.text if baseline else "",
    )


def _baseline_row(experiment: Experiment, baseline: Baseline, named: NamedBoxes) -> PlanRow:
    canvas, wanted = experiment.image.canvas, experiment.crops.source
    size, at = _input_size(experiment, baseline)
    # S² has the whole canvas, which is "resized" in its own size, and tiles, which are not.
    sources = {_source(wanted, box, size) for box in (*named.boxes, *named.averaged)}
    source = wanted if wanted in sources else "resized"
    return PlanRow(
        key=f"{named.key}@{size}{_pixels_key(canvas, source)}",
        label=f"{named.label}{at}{_pixels_words(canvas, source)}",
        kind="baseline",
        blocks=_blocks(experiment, named, size),
        crops=named.crops,
        baseline=baseline.text,
    )


def _input_size(experiment: Experiment, baseline: Baseline | None) -> tuple[int, str]:
    """Return the side to which boxes are resized, and words for it if it is the row's own."""
    own = baseline.input_size if baseline else None
    return own or experiment.embedding_input, f" at {own} px" if own else ""


def _blocks(experiment: Experiment, named: NamedBoxes, size: int) -> tuple[Block, ...]:
    """Return the boxes that a name stands for as blocks of a row."""
    source, image = experiment.crops.source, experiment.image
    block = Block(named.boxes, size, source, draft=image.draft, decoder=image.decode)
    averaged = replace(block, boxes=named.averaged, mean=True)
    return (block, averaged) if named.averaged else (block,)


def _source(wanted: str, box: BoxSpec, size: int) -> str:
    """Return the source of one crop that is resized to `size` pixels.

    A whole canvas in its own size has the same pixels either way; called "resized" under both, one
    stored embedding serves both.
    """
    return "resized" if box.covers_canvas and box.canvas == size else wanted


def _map_key(attention_map: MapSpec) -> str:
    """Return the part of a row's key that sets a map apart from the mean of slices."""
    # Empty for what was the only way when keys were made, so that rows keep theirs.
    ways = (attention_map.heads, attention_map.reading)
    return "".join(f"/{way}" for way in ways if way not in ("mean", "slice"))


def _pixels_key(canvas: Canvas, source: str) -> str:
    """Return the part of a row's key that sets its pixels apart from a squashed canvas."""
    ways = (canvas.geometry, source, "draft" if canvas.draft else "squash", canvas.decoder)
    return "".join(f"/{way}" for way in ways if way not in ("squash", "resized", "pillow"))


def _pixels_words(canvas: Canvas, source: str) -> str:
    """Return in words what `_pixels_key` says: "" for a squashed canvas, ", letterboxed"."""
    return canvas.suffix + source_suffix(source)
