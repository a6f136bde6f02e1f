"""Computing one batch of one shard: attention, then boxes, then embeddings.

Where one model is asked for the attention and the embedding of the same pixels, that is of whole
images at one size, a single pass gives both.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache.artifact import OK, PENDING, UNREADABLE
from ..errors import BadImageError
from ..models.preprocessing import to_unit
from ..stages.embeddings import embed_boxes
from ..stages.placement import chain, grid_map, place
from ..stages.specs import AttentionSpec, EmbeddingSpec, FullBox, GreedyBox, MapSpec, ModelSpec
from .backbones import Backbones
from .plan import Spec
from .shard import Part, Shard

Rows = NDArray[np.int64]
Squares = Mapping[int, NDArray[np.uint8]]


@dataclass
class Batch:
    """Some rows of a shard and their decoded squares: one mapping side -> pixels a row, or the
    reason why the image is bad, or None where no part needs the pixels."""

    shard: Shard
    rows: Rows
    decoded: Sequence[Squares | BadImageError | None]
    tensors: dict[tuple[int, bytes], Any] = field(default_factory=dict)
    maps: dict[tuple[MapSpec, bytes], NDArray[np.float64]] = field(default_factory=dict)

    def at(self, row: int) -> Squares | BadImageError | None:
        return self.decoded[int(np.searchsorted(self.rows, row))]

    def canvases(self, rows: Rows, size: int, device: Any) -> Any:
        """Float (n, 3, size, size) in [0, 1] on the device."""
        key = (size, rows.tobytes())
        if key not in self.tensors:
            squares = [self.at(row) for row in rows]
            pixels = np.stack([square[size] for square in squares if isinstance(square, Mapping)])
            self.tensors[key] = to_unit(pixels, device)
        return self.tensors[key]


def compute_batch(batch: Batch, backbones: Backbones) -> None:
    """Fill every open part for the rows of the batch."""
    parts = batch.shard.open_parts
    for group in _by_forward_pass(part for part in parts if _is(part, AttentionSpec)):
        _compute_attention(batch, group, _of_same_pixels(group[0].spec, parts), backbones)
    for part in parts:
        if part.spec.stage == "boxes":
            _timed(part, _compute_boxes, batch, backbones)
    for part in parts:
        if _is(part, EmbeddingSpec):
            _timed(part, _compute_embedding, batch, backbones)


def _is(part: Part, kind: type) -> bool:
    return isinstance(part.spec, kind)


def _by_forward_pass(parts: Iterable[Part]) -> list[list[Part]]:
    """Blocks of one model at one input size share a pass."""
    groups: dict[tuple[ModelSpec, int], list[Part]] = defaultdict(list)
    for part in parts:
        assert isinstance(part.spec, AttentionSpec)
        groups[part.spec.model, part.spec.input_size].append(part)
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


def _of_same_pixels(spec: Spec, parts: Iterable[Part]) -> list[Part]:
    """Embeddings of what the attention model sees, by that very model: of whole images."""
    assert isinstance(spec, AttentionSpec)
    box = FullBox(spec.input_size, spec.geometry)
    same = EmbeddingSpec(box, spec.model, spec.input_size)
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
        pixels = batch.canvases(rows, first.input_size, backbone.device)
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
    assert not isinstance(spec, AttentionSpec | EmbeddingSpec)
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
    rows = _inherit(part, boxes, _readable(batch, [part], part.todo(batch.rows)))
    if not len(rows):
        return
    backbone = backbones.get(spec.model)
    canvases = batch.canvases(rows, spec.box.canvas, backbone.device)
    values = boxes.values[rows].astype(np.int32, copy=False)
    part.fill(rows, embed_boxes(backbone, canvases, values, spec.input_size))


def _readable(batch: Batch, parts: list[Part], rows: Rows) -> Rows:
    """The rows whose image was decoded; the others are marked as bad."""
    good = []
    for row in rows:
        decoded = batch.at(row)
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
