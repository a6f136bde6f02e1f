"""Computing one batch of one shard: attention, then boxes, then embeddings.

Crops from the original lie between the two: only when boxes are placed is it known what to cut, and
then images are decoded once more, for no batch keeps originals in memory.

Where one model is asked for the attention and the embedding of the same pixels, that is of whole
images at one size, a single pass gives both.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.artifact import OK, PENDING, UNREADABLE
from ...errors import BadImageError
from ...models.preprocessing import to_unit
from ...stages.cuts import Cut, canvas_cut
from ...stages.embeddings import embed_boxes, embed_tiles
from ...stages.geometry import Canvas
from ...stages.placement import canvas_of, canvas_read, chain, grid_map, place
from ...stages.specs import (
    AttentionSpec,
    CanvasSpec,
    EmbeddingSpec,
    FullBox,
    GreedyBox,
    MapSpec,
    ModelSpec,
    TileBox,
)
from ..planning.plan import Stored
from .backbones import Backbones
from .shard import Part, Shard

Rows = NDArray[np.int64]
Squares = Mapping[Cut, NDArray[np.uint8]]
Decoded = Squares | BadImageError | None
"""What became of one image: its squares, or why it is bad, or None where no pixels were needed."""


@dataclass
class Batch:
    """Some rows of a shard.

    decoded: a row's canvases. cuts: a row's crops from the original, once its boxes are known.
    """

    shard: Shard
    rows: Rows
    decoded: Sequence[Decoded]
    cuts: Sequence[Decoded] = ()
    tensors: dict[tuple[Canvas, bytes], Any] = field(default_factory=dict)
    maps: dict[tuple[MapSpec, bytes], NDArray[np.float64]] = field(default_factory=dict)

    def at(self, row: int, source: str = "resized") -> Decoded:
        """What there is of a row to cut crops from."""
        found = self.cuts if source == "original" else self.decoded
        return found[int(np.searchsorted(self.rows, row))]

    def canvases(self, rows: Rows, canvas: Canvas, device: Any) -> Any:
        """Float (n, 3, side, side) in [0, 1] on the device."""
        key = (canvas, rows.tobytes())
        if key not in self.tensors:
            self.tensors[key] = to_unit(self.pixels(rows, canvas), device)
        return self.tensors[key]

    def pixels(self, rows: Rows, canvas: Canvas) -> NDArray[np.uint8]:
        """uint8 (n, side, side, 3), as decoded or as stored."""
        stored, whole = self.shard.pixels(canvas), canvas_cut(canvas)
        if stored is None:
            return np.stack([_square(self.at(row), whole) for row in rows])
        known = stored.status[rows] == OK
        return np.stack(
            [
                stored.values[row] if there else _square(self.at(row), whole)
                for row, there in zip(rows, known, strict=True)
            ]
        )


def place_crops(batch: Batch, backbones: Backbones) -> None:
    """Fill every open part of attention and boxes for the rows of the batch, and those embeddings
    that come with attention."""
    parts = batch.shard.open_parts
    for part in parts:
        if _is(part, CanvasSpec):
            _timed(part, _keep_pixels, batch, backbones)
    for group in _by_forward_pass(part for part in parts if _is(part, AttentionSpec)):
        _compute_attention(batch, group, _of_same_pixels(group[0].spec, parts), backbones)
    for part in parts:
        if part.spec.stage == "boxes":
            _timed(part, _compute_boxes, batch, backbones)


def _keep_pixels(batch: Batch, part: Part, backbones: Backbones) -> None:
    """What was decoded is what is stored."""
    del backbones
    canvas = canvas_read(part.spec)
    assert canvas is not None
    rows = _readable(batch, [part], part.todo(batch.rows))
    if len(rows):
        part.fill(rows, batch.pixels(rows, canvas))


def cuts_wanted(batch: Batch) -> list[tuple[Cut, ...]]:
    """For each row of the batch the crops to cut from its original; `place_crops` comes before."""
    parts = [part for part in batch.shard.open_parts if _cuts_originals(part)]
    return [tuple(_cuts_of(batch, int(row), parts)) for row in batch.rows]


def embed_crops(batch: Batch, backbones: Backbones) -> None:
    """Fill every open part of embeddings; `batch.cuts` has what `cuts_wanted` asked for."""
    for part in batch.shard.open_parts:
        if _is(part, EmbeddingSpec):
            _timed(part, _compute_embedding, batch, backbones)


def _cuts_originals(part: Part) -> bool:
    return isinstance(part.spec, EmbeddingSpec) and part.spec.source == "original"


def _cuts_of(batch: Batch, row: int, parts: Iterable[Part]) -> Iterator[Cut]:
    """Cuts of those parts that still lack the row and know where its box lies."""
    for part in parts:
        assert isinstance(part.spec, EmbeddingSpec)
        boxes = batch.shard.parts[part.spec.box]
        if part.status[row] == PENDING and boxes.status[row] == OK:
            yield _cut(part.spec, boxes, row)


def _cut(spec: EmbeddingSpec, boxes: Part, row: int) -> Cut:
    x0, y0, x1, y1 = map(int, boxes.values[row])
    return Cut(canvas_of(spec.box), (x0, y0, x1, y1), spec.input_size)


def _square(decoded: Decoded, cut: Cut) -> NDArray[np.uint8]:
    assert isinstance(decoded, Mapping), "the rows that are read were decoded"
    return decoded[cut]


def _is(part: Part, kind: type) -> bool:
    return isinstance(part.spec, kind)


def _by_forward_pass(parts: Iterable[Part]) -> list[list[Part]]:
    """Blocks of one model on one canvas share a pass."""
    groups: dict[tuple[ModelSpec, Canvas], list[Part]] = defaultdict(list)
    for part in parts:
        assert isinstance(part.spec, AttentionSpec)
        groups[part.spec.model, canvas_of(part.spec)].append(part)
    return list(groups.values())


def _timed(
    part: Part,
    compute: Callable[[Batch, Part, Backbones], None],
    batch: Batch,
    backbones: Backbones,
) -> None:
    start = time.perf_counter()
    compute(batch, part, backbones)
    part.seconds += time.perf_counter() - start


def embedding_of_same_pixels(spec: AttentionSpec) -> EmbeddingSpec:
    """The embedding of what an attention model sees, by that very model: of whole images."""
    box = FullBox(spec.input_size, spec.geometry)
    return EmbeddingSpec(box, spec.model, spec.input_size, draft=spec.draft)


def _of_same_pixels(spec: Stored, parts: Iterable[Part]) -> list[Part]:
    assert isinstance(spec, AttentionSpec)
    same = embedding_of_same_pixels(spec)
    return [part for part in parts if part.spec == same]


def _compute_attention(
    batch: Batch, group: list[Part], embeddings: list[Part], backbones: Backbones
) -> None:
    start = time.perf_counter()
    first = group[0].spec
    assert isinstance(first, AttentionSpec)
    wanted = np.unique(np.concatenate([part.todo(batch.rows) for part in group]))
    rows = _readable(batch, group, wanted)
    embeddings = [part for part in embeddings if len(part.todo(rows))]
    if len(rows):
        backbone = backbones.get(first.model)
        pixels = batch.canvases(rows, canvas_of(first), backbone.device)
        blocks = [part.spec.block for part in group if isinstance(part.spec, AttentionSpec)]
        if embeddings:
            attention, embedded = backbone.attention_and_embedding(pixels, blocks)
        else:
            attention = backbone.attention(pixels, blocks)
        for index, part in enumerate(group):
            own = np.isin(rows, part.todo(rows))
            part.fill(rows[own], attention[own, index])
        for part in embeddings:
            own = np.isin(rows, part.todo(rows))
            part.fill(rows[own], embedded[own])
    for part in (*group, *embeddings):
        part.seconds += (time.perf_counter() - start) / (len(group) + len(embeddings))


def _compute_boxes(batch: Batch, part: Part, backbones: Backbones) -> None:
    spec, rows = part.spec, part.todo(batch.rows)
    assert not isinstance(spec, AttentionSpec | EmbeddingSpec | CanvasSpec)
    maps = None
    if isinstance(spec, GreedyBox):
        attention = batch.shard.parts[spec.map.attention]
        rows = _inherit(part, attention, rows)
        maps = _maps(batch, spec, attention, rows, backbones) if len(rows) else None
    if not len(rows):
        return
    previous = [batch.shard.parts[before].values[rows] for before in chain(spec)]
    stacked = np.array(previous, np.int32).reshape(len(previous), len(rows), 4)
    images = [batch.shard.images[row] for row in rows]
    part.fill(rows, place(spec, images, stacked, maps))


def _maps(
    batch: Batch, spec: GreedyBox, attention: Part, rows: Rows, backbones: Backbones
) -> NDArray[np.float64]:
    key = (spec.map, rows.tobytes())
    if key not in batch.maps:
        prefix = backbones.prefix_tokens(spec.map.attention.model)
        values = attention.values[rows].astype(np.float32, copy=False)
        batch.maps[key] = grid_map(spec.map, values, prefix)
    return batch.maps[key]


def _compute_embedding(batch: Batch, part: Part, backbones: Backbones) -> None:
    spec = part.spec
    assert isinstance(spec, EmbeddingSpec)
    boxes = batch.shard.parts[spec.box]
    rows = _inherit(part, boxes, _readable(batch, [part], part.todo(batch.rows), spec.source))
    if not len(rows):
        return
    backbone = backbones.get(spec.model)
    if spec.source == "original":
        crops = [_square(batch.at(row, spec.source), _cut(spec, boxes, row)) for row in rows]
        part.fill(rows, backbone.embed(to_unit(np.stack(crops), backbone.device)))
        return
    canvases = batch.canvases(rows, canvas_of(spec), backbone.device)
    if isinstance(spec.box, TileBox):
        part.fill(rows, embed_tiles(backbone, canvases, spec.box, spec.input_size))
        return
    values = boxes.values[rows].astype(np.int32, copy=False)
    part.fill(rows, embed_boxes(backbone, canvases, values, spec.input_size))


def _readable(batch: Batch, parts: list[Part], rows: Rows, source: str = "resized") -> Rows:
    """The rows whose image was decoded; the others are marked as bad."""
    good = []
    for row in rows:
        decoded = batch.at(row, source)
        if isinstance(decoded, BadImageError):
            for part in parts:
                if part.status[row] == PENDING:
                    part.refuse(int(row), UNREADABLE, str(decoded))
        else:
            good.append(row)
    return np.array(good, np.int64)


def _inherit(part: Part, upstream: Part, rows: Rows) -> Rows:
    """The rows that are good upstream; the others inherit status and reason."""
    good = upstream.status[rows] == OK
    for row in rows[~good]:
        part.refuse(int(row), int(upstream.status[row]), upstream.reasons.get(int(row), "bad"))
    kept: Rows = rows[good]
    return kept
