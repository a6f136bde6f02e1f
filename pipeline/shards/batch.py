"""Take one batch of a shard through the models: what tells where to look, boxes, then embeddings.

`look` and `embed_crops` only queue work on the device. `place_crops` and `collect` wait for its
results and may run in another thread, while the device has the next batch.

Crops from originals are cut between boxes and embeddings, for only then is it known where they lie.
The images are decoded a second time for that, as no batch keeps originals in memory.

Where a model is asked for attention, statistics of patches and embeddings of the same pixels (whole
images at one size), a single pass gives all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...cache.artifact import OK, PENDING, UNREADABLE
from ...models.preprocessing import to_device, unit
from ...shared_memory import Segment
from ...stages.attention import grid_map
from ...stages.crops import Crop
from ...stages.device_canvas import Jpeg
from ...stages.geometry import Canvas
from ...stages.specs import AttentionSpec, BoxSpec, EmbeddingSpec, ForwardPass, MapSpec, PatchSpec
from .backbones import Backbones
from .shard import Shard, ShardArray

if TYPE_CHECKING:
    from ...models.pending import Pending

Rows = NDArray[np.int64]
Cut = tuple[BoxSpec, int]
"""A box that is cut from originals, and the side in pixels to which it is resized."""
PassSpec = AttentionSpec | PatchSpec | EmbeddingSpec
"""What a pass through a model gives."""


@dataclass(frozen=True)
class Launched:
    """A Launched is one launch of a model on rows of a batch, and the arrays that it fills.

    pending: the results on their way. rows: int64 (k,), of the shard.
    arrays: those that the results fill.
    reduced: images a pass, where memory sufficed for fewer than usual, else 0.
    """

    pending: Pending
    rows: Rows
    arrays: Sequence[ShardArray[PassSpec]]
    reduced: int = 0


@dataclass
class Batch:
    """A batch is rows of a shard on their way: decode, device, boxes, decode again, device, write.

    rows: int64 (n,), positions in the shard, ascending.
    originals: pixels of each row's original, 0 where unknown.
    images: by how many images this batch brings the run on; the first batch of a shard counts those
        of its images too for which there is nothing to compute.
    last: whether the shard is complete after this batch.
    pixels: by canvas, or by box that is cut from originals: uint8 (n, side, side, 3), in memory
        that is shared with the decoding processes. What a row has that is bad, or that needs no
        pixels of this kind, means nothing.
    segments: of the shared memory, in which they lie.
    bad: why images are bad, by their places in the batch. bad_originals: the same, where they were
        bad only when crops were to be cut.
    resident: pixels on the device, which all models share.
    maps: attention maps over patches, by spec and bytes of the rows; several boxes share them.
    floats: whole canvases in [0, 1] on the device, to cut crops from.
    encoded: JPEG files that a GPU is to decode, by their places in the batch. made: canvases that
        it has made of them, with these places: uint8 (k, side, side, 3) on the device.
    launched: what was queued on the device and has not been collected.
    decoded: how many images were decoded for it, each time one was.
    left_to_pillow: the places of those that a GPU was to decode and cannot.
    files: about how many bytes of JPEG files it may hold outside shared memory.
    seconds: for how long the device has worked on what was collected.
    """

    shard: Shard
    rows: Rows
    originals: Sequence[int]
    images: int
    last: bool
    pixels: dict[Canvas | Cut, NDArray[np.uint8]] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)
    bad_originals: dict[int, str] = field(default_factory=dict)
    resident: dict[Canvas | Cut, Any] = field(default_factory=dict)
    maps: dict[tuple[MapSpec, bytes], NDArray[np.float64]] = field(default_factory=dict)
    floats: dict[Canvas, Any] = field(default_factory=dict)
    encoded: dict[int, Jpeg] = field(default_factory=dict)
    made: dict[Canvas, tuple[list[int], Any]] = field(default_factory=dict)
    launched: list[Launched] = field(default_factory=list)
    decoded: int = 0
    left_to_pillow: set[int] = field(default_factory=set)
    files: int = 0
    seconds: float = 0.0

    @property
    def nbytes(self) -> int:
        """Return about how many bytes it takes: pixels in shared memory, and files."""
        return sum(segment.array.nbytes for segment in self.segments) + self.files

    def places(self, rows: Rows) -> NDArray[np.intp]:
        """Return where rows of the shard stand in the batch."""
        return np.searchsorted(self.rows, rows)

    def on_device(self, rows: Rows, pixels: Canvas | Cut, device: Any) -> Any:
        """Return the pixels of rows on the device: uint8 tensor (len(rows), side, side, 3)."""
        if pixels not in self.resident:
            self.resident[pixels] = self._whole(pixels, device)
        return self._of(rows, self.resident[pixels])

    def _whole(self, pixels: Canvas | Cut, device: Any) -> Any:
        """Return the pixels of all rows on the device, those that were made there among them."""
        made = self.made.get(pixels) if isinstance(pixels, Canvas) else None
        if made and len(made[0]) == len(self.rows):
            return made[1]
        whole = to_device(self.pixels[pixels], device)
        if made:
            whole[made[0]] = made[1]
        return whole

    def canvases(self, rows: Rows, canvas: Canvas, device: Any) -> Any:
        """Return rows on a canvas, on the device: float tensor (len(rows), 3, side, side)."""
        if canvas not in self.floats:
            self.floats[canvas] = unit(self.on_device(self.rows, canvas, device))
        return self._of(rows, self.floats[canvas])

    def _of(self, rows: Rows, whole: Any) -> Any:
        return whole if len(rows) == len(self.rows) else whole[self.places(rows).tolist()]


def look(batch: Batch, backbones: Backbones) -> None:
    """Queue the passes that tell where to look, and the embeddings that come with them."""
    passes: dict[ForwardPass, list[ShardArray[PassSpec]]] = defaultdict(list)
    looking: list[ShardArray[AttentionSpec | PatchSpec]] = [
        *batch.shard.unfinished(AttentionSpec),
        *batch.shard.unfinished(PatchSpec),
    ]
    for array in looking:
        passes[array.spec.forward_pass].append(array)
    for embedding in batch.shard.unfinished(EmbeddingSpec):
        if embedding.spec.forward_pass in passes:
            passes[embedding.spec.forward_pass].append(embedding)
    for group in passes.values():
        _look(batch, group, backbones)


def place_crops(batch: Batch, backbones: Backbones) -> None:
    """Fill pixels, and what `look` has queued; then place every unfinished box."""
    for canvas in batch.shard.unfinished(Canvas):
        with canvas.timed():
            rows = _readable(batch, [canvas], canvas.todo(batch.rows), batch.bad)
            if len(rows):
                canvas.fill(rows, batch.pixels[canvas.spec][batch.places(rows)])
    collect(batch)
    for boxes in batch.shard.unfinished(BoxSpec):  # type: ignore[type-abstract]
        with boxes.timed():
            _place(batch, boxes, backbones)


def crops_wanted(batch: Batch) -> dict[Cut, dict[int, Crop]]:
    """Return what is to be cut from originals: each crop by its place in the batch.

    The boxes have to be placed: a row without a box has nothing to cut.
    """
    wanted: dict[Cut, dict[int, Crop]] = {}
    for array in batch.shard.unfinished(EmbeddingSpec):
        spec, boxes = array.spec, batch.shard.arrays[array.spec.box]
        if spec.reads_original:
            todo = array.todo(batch.rows)
            rows = todo[boxes.status[todo] == OK]
            crops = wanted.setdefault((spec.box, spec.input_size), {})
            for place, row in zip(batch.places(rows).tolist(), rows.tolist(), strict=True):
                crops[place] = _crop(spec, boxes, row)
    return wanted


def embed_crops(batch: Batch, backbones: Backbones) -> None:
    """Queue the passes of every unfinished embedding; crops from originals have to be decoded."""
    passes: dict[ForwardPass, list[ShardArray[EmbeddingSpec]]] = defaultdict(list)
    for embeddings in batch.shard.unfinished(EmbeddingSpec):
        passes[embeddings.spec.forward_pass].append(embeddings)
    for group in passes.values():
        _embed(batch, group, backbones)


def collect(batch: Batch) -> None:
    """Wait for what was queued on the device, and fill the arrays with it.

    The seconds of a launch are shared equally among the arrays that it fills.
    """
    for launched in batch.launched:
        results = launched.pending.wait()
        seconds = launched.pending.seconds_busy()
        for array in launched.arrays:
            own = np.isin(launched.rows, array.todo(launched.rows))
            array.fill(launched.rows[own], results[array.spec.output][own])
            array.seconds += seconds / len(launched.arrays)
            array.forward = launched.reduced or array.forward
        batch.seconds += seconds
    batch.launched.clear()


def _crop(spec: EmbeddingSpec, boxes: ShardArray[Any], row: int) -> Crop:
    x0, y0, x1, y1 = map(int, boxes.values[row])
    return Crop(spec.box.image_canvas, (x0, y0, x1, y1), spec.input_size)


def _look(batch: Batch, group: Sequence[ShardArray[PassSpec]], backbones: Backbones) -> None:
    """Queue the one pass that gives all arrays of a group; the first tells where to look.

    Embeddings in the group are computed for the rows that lack what tells where to look; those of
    other rows come later.
    """
    first = group[0].spec
    looking = [each for each in group if not isinstance(each.spec, EmbeddingSpec)]
    wanted = np.unique(np.concatenate([each.todo(batch.rows) for each in looking]))
    rows = _readable(batch, looking, wanted, batch.bad)
    assert first.pixels is not None, "what tells where to look is shown a canvas"
    if len(rows):
        arrays = [each for each in group if len(each.todo(rows))]
        pixels = batch.on_device(rows, first.pixels, backbones.get(first.model).device)
        batch.launched.append(_launch(pixels, rows, arrays, backbones))


def _launch(
    pixels: Any, rows: Rows, arrays: Sequence[ShardArray[PassSpec]], backbones: Backbones
) -> Launched:
    """Queue one pass of a model that fills several arrays."""
    spec = arrays[0].spec
    backbone = backbones.get(spec.model)
    pending = backbone.launch(pixels, list({each.spec.output: None for each in arrays}))
    return Launched(pending, rows, arrays, backbone.reduced.get(spec.input_size, 0))


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
        values = batch.shard.arrays[spec.attention].values[rows]
        batch.maps[key] = grid_map(spec, values.astype(np.float32, copy=False), prefix)
    return batch.maps[key]


def _embed(batch: Batch, group: Sequence[ShardArray[EmbeddingSpec]], backbones: Backbones) -> None:
    """Queue the one pass over a box that gives all embeddings of a group."""
    spec, boxes = group[0].spec, batch.shard.arrays[group[0].spec.box]
    bad = batch.bad | batch.bad_originals if spec.reads_original else batch.bad
    wanted = []
    for array in group:
        readable = _readable(batch, [array], array.todo(batch.rows), bad)
        wanted.append(_inherit(array, boxes, readable))
    rows = np.unique(np.concatenate(wanted))
    if not len(rows):
        return
    device = backbones.get(spec.model).device
    if spec.pixels is None:
        crops = batch.on_device(rows, (spec.box, spec.input_size), device)
    else:
        canvases = batch.canvases(rows, spec.pixels, device)
        placed = boxes.values[rows].astype(np.int32, copy=False)
        crops = spec.box.crops(canvases, placed, spec.input_size)
    batch.launched.append(_launch(crops, rows, group, backbones))


def _readable(
    batch: Batch, arrays: Sequence[ShardArray[Any]], rows: Rows, bad: Mapping[int, str]
) -> Rows:
    """Return the rows whose image was decoded, and mark the others as bad.

    bad: why images are, by their places in the batch.
    """
    good = np.ones(len(rows), bool)
    places = batch.places(rows)
    for index in np.flatnonzero(np.isin(places, list(bad))).tolist():
        good[index] = False
        for array in arrays:
            # Another block of the same pass may have the row from an earlier run.
            if array.status[rows[index]] == PENDING:
                array.refuse(int(rows[index]), UNREADABLE, bad[int(places[index])])
    readable: Rows = rows[good]
    return readable


def _inherit(array: ShardArray[Any], upstream: ShardArray[Any], rows: Rows) -> Rows:
    """Return the rows that are good upstream; the others take over its status and reason."""
    good = upstream.status[rows] == OK
    for row in rows[~good]:
        array.refuse(int(row), int(upstream.status[row]), upstream.reasons.get(int(row), "bad"))
    kept: Rows = rows[good]
    return kept
