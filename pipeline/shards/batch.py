"""Compute one batch of a shard on the device: attention, then boxes, then embeddings.

Crops from originals are cut between boxes and embeddings, for only then is it known where they lie.
The images are decoded a second time for that, as no batch keeps originals in memory.

Where a model is asked for the attention and the embedding of the same pixels (whole images at one
size), a single pass gives both.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.artifact import OK, PENDING, UNREADABLE
from ...errors import BadImageError
from ...models.preprocessing import to_unit
from ...stages.attention import grid_map
from ...stages.crops import Crop, whole_canvas
from ...stages.geometry import Canvas
from ...stages.specs import AttentionSpec, BoxSpec, EmbeddingSpec, ForwardPass, MapSpec
from .backbones import Backbones
from .shard import Shard, ShardArray

Rows = NDArray[np.int64]
Squares = Mapping[Crop, NDArray[np.uint8]]
Decoded = Squares | BadImageError | None
"""Decoding gives for one image the pixels of each crop that was wanted, uint8 (size, size, 3); or
why the image is bad; or None where no pixels were wanted."""


@dataclass
class Batch:
    """A batch is rows of a shard on their way: decode, device, boxes, decode again, device, write.

    rows: int64 (n,), positions in the shard, ascending.
    originals: pixels of each row's original, 0 where unknown.
    images: by how many images this batch brings the run on; the first batch of a shard counts those
        of its images too for which there is nothing to compute.
    last: whether the shard is complete after this batch.
    decoded: for each row its canvases, once they are decoded.
    crops: for each row its crops from the original, once its boxes are known and they are decoded.
    tensors: canvases on the device, by canvas and bytes of the rows; several models share them.
    maps: attention maps over patches, by spec and bytes of the rows; several boxes share them.
    """

    shard: Shard
    rows: Rows
    originals: Sequence[int]
    images: int
    last: bool
    decoded: Sequence[Decoded] = ()
    crops: Sequence[Decoded] = ()
    tensors: dict[tuple[Canvas, bytes], Any] = field(default_factory=dict)
    maps: dict[tuple[MapSpec, bytes], NDArray[np.float64]] = field(default_factory=dict)

    def at(self, row: int, original: bool = False) -> Decoded:
        """Return what was decoded of a row: its canvases, or its crops from the original."""
        found = self.crops if original else self.decoded
        return found[int(np.searchsorted(self.rows, row))]

    def canvases(self, rows: Rows, canvas: Canvas, device: Any) -> Any:
        """Return the rows on a canvas: float tensor (n, 3, side, side) in [0, 1] on the device."""
        # An array cannot be a key; specs that lack other rows ask for other tensors.
        key = (canvas, rows.tobytes())
        if key not in self.tensors:
            self.tensors[key] = to_unit(self.pixels(rows, canvas), device)
        return self.tensors[key]

    def pixels(self, rows: Rows, canvas: Canvas) -> NDArray[np.uint8]:
        """Return the rows on a canvas as decoded or as stored: uint8 (n, side, side, 3)."""
        stored, whole = self.shard.arrays.get(canvas), whole_canvas(canvas)
        return np.stack(
            [
                stored.values[row]
                if stored is not None and stored.status[row] == OK
                else _square(self.at(row), whole)
                for row in rows
            ]
        )


def place_crops(batch: Batch, backbones: Backbones) -> None:
    """Fill every unfinished array of pixels, attention and boxes for the rows of the batch, and
    those of embeddings that come with attention."""
    for canvas in batch.shard.unfinished(Canvas):
        with canvas.timed():
            rows = _readable(batch, [canvas], canvas.todo(batch.rows))
            if len(rows):
                canvas.fill(rows, batch.pixels(rows, canvas.spec))
    # Attention before boxes, which are placed by it: greedy boxes read the rows that this fills.
    passes: dict[ForwardPass, list[ShardArray[AttentionSpec]]] = defaultdict(list)
    for attention in batch.shard.unfinished(AttentionSpec):
        passes[attention.spec.forward_pass].append(attention)
    for shared, group in passes.items():
        embeddings = batch.shard.unfinished(EmbeddingSpec)
        same = [each for each in embeddings if each.spec.forward_pass == shared]
        _attend(batch, group, same, backbones)
    for boxes in batch.shard.unfinished(BoxSpec):  # type: ignore[type-abstract]
        with boxes.timed():
            _place(batch, boxes, backbones)


def crops_wanted(batch: Batch) -> list[tuple[Crop, ...]]:
    """Return for each row of the batch the crops to cut from its original.

    `place_crops` has to come before: a row without a box has nothing to cut.
    """
    arrays = [each for each in batch.shard.unfinished(EmbeddingSpec) if each.spec.reads_original]
    placed = [(each, batch.shard.arrays[each.spec.box]) for each in arrays]
    return [
        tuple(
            _crop(array.spec, boxes, row)
            for array, boxes in placed
            if array.status[row] == PENDING and boxes.status[row] == OK
        )
        for row in batch.rows.tolist()
    ]


def embed_crops(batch: Batch, backbones: Backbones) -> None:
    """Fill every unfinished array of embeddings; `batch.crops` has what `crops_wanted` named."""
    for embeddings in batch.shard.unfinished(EmbeddingSpec):
        with embeddings.timed():
            _embed(batch, embeddings, backbones)


def _crop(spec: EmbeddingSpec, boxes: ShardArray[Any], row: int) -> Crop:
    x0, y0, x1, y1 = map(int, boxes.values[row])
    return Crop(spec.box.image_canvas, (x0, y0, x1, y1), spec.input_size)


def _square(decoded: Decoded, crop: Crop) -> NDArray[np.uint8]:
    assert isinstance(decoded, Mapping), "the rows that are read were decoded"
    return decoded[crop]


def _attend(
    batch: Batch,
    group: Sequence[ShardArray[AttentionSpec]],
    embeddings: Sequence[ShardArray[EmbeddingSpec]],
    backbones: Backbones,
) -> None:
    """Fill blocks of a model on one canvas and the embeddings of the same pixels, in one pass.

    group: arrays of one forward pass. embeddings: those that the same pass can give. The seconds
    are shared equally among the arrays that are filled.
    """
    start, spec = time.perf_counter(), group[0].spec
    wanted = np.unique(np.concatenate([each.todo(batch.rows) for each in group]))
    rows = _readable(batch, group, wanted)
    filled: list[tuple[ShardArray[Any], NDArray[np.float32]]] = []
    if len(rows):
        backbone = backbones.get(spec.model)
        pixels = batch.canvases(rows, spec.pixels, backbone.device)
        blocks = [each.spec.block for each in group]
        embeddings = [each for each in embeddings if len(each.todo(rows))]
        if embeddings:
            attention, embedded = backbone.attention_and_embedding(pixels, blocks)
            filled += [(each, embedded) for each in embeddings]
        else:
            attention = backbone.attention(pixels, blocks)
        filled += [(each, attention[:, index]) for index, each in enumerate(group)]
    for array, values in filled:
        own = np.isin(rows, array.todo(rows))
        array.fill(rows[own], values[own])
        array.seconds += (time.perf_counter() - start) / len(filled)


def _place(batch: Batch, array: ShardArray[BoxSpec], backbones: Backbones) -> None:
    spec, rows, arrays = array.spec, array.todo(batch.rows), batch.shard.arrays
    maps = None
    if spec.placed_by is not None:
        rows = _inherit(array, arrays[spec.placed_by.attention], rows)
        maps = _maps(batch, spec.placed_by, rows, backbones) if len(rows) else None
    if not len(rows):
        return
    previous = np.array([arrays[before].values[rows] for before in spec.chain], np.int32)
    images = [batch.shard.images[row] for row in rows]
    array.fill(rows, spec.place(images, previous.reshape(-1, len(rows), 4), maps))


def _maps(batch: Batch, spec: MapSpec, rows: Rows, backbones: Backbones) -> NDArray[np.float64]:
    key = (spec, rows.tobytes())
    if key not in batch.maps:
        prefix = backbones.prefix_tokens(spec.attention.model)
        attention = batch.shard.arrays[spec.attention].values[rows]
        batch.maps[key] = grid_map(spec, attention.astype(np.float32, copy=False), prefix)
    return batch.maps[key]


def _embed(batch: Batch, array: ShardArray[EmbeddingSpec], backbones: Backbones) -> None:
    spec, boxes = array.spec, batch.shard.arrays[array.spec.box]
    readable = _readable(batch, [array], array.todo(batch.rows), spec.reads_original)
    rows = _inherit(array, boxes, readable)
    if not len(rows):
        return
    backbone = backbones.get(spec.model)
    if spec.pixels is None:
        cut = [_square(batch.at(row, original=True), _crop(spec, boxes, row)) for row in rows]
        crops = to_unit(np.stack(cut), backbone.device)
    else:
        canvases = batch.canvases(rows, spec.pixels, backbone.device)
        placed = boxes.values[rows].astype(np.int32, copy=False)
        crops = spec.box.crops(canvases, placed, spec.input_size)
    array.fill(rows, backbone.embed(crops))


def _readable(
    batch: Batch, arrays: Sequence[ShardArray[Any]], rows: Rows, original: bool = False
) -> Rows:
    """Return the rows whose image was decoded, and mark the others as bad.

    original: whether it is the crops from the original that are needed, and not the canvases.
    """
    good = []
    for row in rows:
        decoded = batch.at(row, original)
        if isinstance(decoded, BadImageError):
            for array in arrays:
                # Another block of the same pass may have the row from an earlier run.
                if array.status[row] == PENDING:
                    array.refuse(int(row), UNREADABLE, str(decoded))
        else:
            good.append(row)
    return np.array(good, np.int64)


def _inherit(array: ShardArray[Any], upstream: ShardArray[Any], rows: Rows) -> Rows:
    """Return the rows that are good upstream; the others take over its status and reason."""
    good = upstream.status[rows] == OK
    for row in rows[~good]:
        array.refuse(int(row), int(upstream.status[row]), upstream.reasons.get(int(row), "bad"))
    kept: Rows = rows[good]
    return kept
