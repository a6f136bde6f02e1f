"""Estimate what a plan still has to compute, from the markers of the cache alone."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.catalog import Cache
from ...cache.fingerprint import fingerprint
from ...stages.geometry import Canvas
from ...stages.specs import ForwardPass, ModelSpec
from ..planning.plan import Plan, Spec, Stored
from ..shards.disk import free_bytes, size_words

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Need:
    """A Need says how many rows of one spec of a plan are still to be written.

    stage, what, fingerprint: the spec, in words and by its address. rows, shards: of the whole
    collection. shards_done: shards that are committed. rows_reusable: rows of the other shards that
    another row folder of the cache holds, so that they are copied. rows_missing: rows that have to
    be computed. bytes_to_write: of both.
    """

    stage: str
    what: str
    fingerprint: str
    rows: int
    shards: int
    shards_done: int
    rows_reusable: int
    rows_missing: int
    bytes_to_write: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Estimate:
    """An Estimate says what a run would take.

    needs: an entry for each spec, those that others read from first. inputs: what passes through
    models, as `model_inputs` has it. decodes: image files, each counted as often as it is decoded.
    bytes_free: on the disk of the cache. Bad images make passes and decodes fewer.
    """

    needs: list[Need]
    inputs: dict[tuple[ModelSpec, int, str], int]
    decodes: int
    bytes_free: int

    @property
    def forward_passes(self) -> dict[str, int]:
        """Return how many images pass through each model, by the model's name."""
        passes: dict[str, int] = defaultdict(int)
        for (model, _, _), count in self.inputs.items():
            passes[model.name] += count
        return dict(passes)

    @property
    def bytes_to_write(self) -> int:
        """Return the bytes that all specs together still have to write."""
        return sum(need.bytes_to_write for need in self.needs)

    def totals(self) -> dict[str, Any]:
        """Return the sums over all specs as plain values by name."""
        return {
            "forward_passes": self.forward_passes,
            "forward_passes_total": sum(self.forward_passes.values()),
            "decodes": self.decodes,
            "bytes_to_write": self.bytes_to_write,
            "bytes_free": self.bytes_free,
        }

    def words(self) -> list[str]:
        """Return the sums over all specs as lines for a person."""
        by_model = ", ".join(f"{name} {count:,}" for name, count in self.forward_passes.items())
        passes = sum(self.forward_passes.values())
        room = f"{size_words(self.bytes_to_write)}, and {size_words(self.bytes_free)} are free"
        fits = "" if self.bytes_to_write <= self.bytes_free else ": the disk cannot hold it"
        return [
            f"forward passes: {passes:,}{f' ({by_model})' if by_model else ''}",
            f"images to decode: {self.decodes:,}",
            f"to write: {room}{fits}",
        ]


@dataclass(frozen=True, eq=False)
class _Rows:
    """These rows of one spec are not committed.

    unwritten: rows of the shards that are not done, (n,). lacking: those of them that no other row
    folder holds either, so that they have to be computed, (n,).
    """

    spec: Stored
    shards_done: int
    unwritten: Mask
    lacking: Mask


def needs(plan: Plan, cache: Cache) -> list[Need]:
    """Return an entry for each spec, those that others read from first.

    Only markers are read, and nothing is written.
    """
    return [_need(plan, _rows(plan, cache, spec)) for spec in plan.specs()]


def estimate(plan: Plan, cache: Cache) -> Estimate:
    """Return what is missing, and what it takes to compute it.

    Only markers are read, and nothing is written. Stored canvases are counted where the experiment
    has them stored.
    """
    specs = {spec: _rows(plan, cache, spec) for spec in plan.specs()}
    pixels = {canvas: _pixel_rows(plan, cache, canvas, specs) for canvas in plan.pixels(specs)}
    return Estimate(
        needs=[_need(plan, rows) for rows in (*pixels.values(), *specs.values())],
        inputs=model_inputs({spec: rows.lacking for spec, rows in specs.items()}),
        decodes=_decodes(specs, pixels),
        bytes_free=free_bytes(cache.root),
    )


def model_inputs(lacking: Mapping[Spec, Mask]) -> dict[tuple[ModelSpec, int, str], int]:
    """Return how many images pass through each model: (model, side of its input, stage) -> images.

    lacking: the rows of each spec that have to be computed, (n,), in the order of the plan. Specs
    that share a forward pass, such as the blocks of a model and the embedding of the same pixels,
    are counted once, under the stage of the first.
    """
    passes: dict[tuple[ModelSpec, int, str], int] = defaultdict(int)
    covered: dict[ForwardPass, Mask] = {}
    for spec, lacks in lacking.items():
        shared = spec.forward_pass
        if shared is not None:
            before = covered.get(shared, np.zeros_like(lacks))
            passes[shared.model, shared.side, spec.stage] += int((lacks & ~before).sum())
            covered[shared] = before | lacks
    return {key: count for key, count in passes.items() if count}


def _decodes(specs: Mapping[Spec, _Rows], pixels: Mapping[Canvas, _Rows]) -> int:
    """Return how many files to decode: once for the canvases, once more for crops of originals."""
    # A canvas that is stored is decoded only where its own rows lack.
    canvases = [rows.lacking for spec, rows in specs.items() if spec.pixels not in (None, *pixels)]
    canvases += [rows.lacking for rows in pixels.values()]
    originals = [rows.lacking for spec, rows in specs.items() if spec.reads_original]
    return sum(int(np.any(masks, axis=0).sum()) for masks in (canvases, originals) if masks)


def _pixel_rows(plan: Plan, cache: Cache, canvas: Canvas, specs: Mapping[Spec, _Rows]) -> _Rows:
    """Return the rows of a canvas to store, in whose shards a spec that reads it is missing."""
    rows = _rows(plan, cache, canvas)
    readers = [each.unwritten for spec, each in specs.items() if spec.pixels == canvas]
    wanted = np.any(readers, axis=0)
    return _Rows(canvas, rows.shards_done, rows.unwritten & wanted, rows.lacking & wanted)


def _rows(plan: Plan, cache: Cache, spec: Stored) -> _Rows:
    run, images = plan.experiment.run, plan.collection.images
    found = cache.find(spec, images, run.shard_size, run.backend)
    shards = np.arange(len(images)) // run.shard_size
    missing = found.missing() if found else np.unique(shards)
    unwritten = np.isin(shards, missing)
    lacking = unwritten.copy()
    if unwritten.any():  # else the other row folders need not even be opened
        # The very same tuple for all specs where all rows are unwritten, as the look-up in other
        # folders is then shared.
        rows = np.flatnonzero(unwritten)
        chosen = images if unwritten.all() else tuple(images[row] for row in rows)
        own = found.folder if found else None
        lacking[unwritten] = ~cache.gather(fingerprint(spec), chosen, own).offered
    return _Rows(spec, -(-len(images) // run.shard_size) - len(missing), unwritten, lacking)


def _need(plan: Plan, rows: _Rows) -> Need:
    unwritten, lacking = int(rows.unwritten.sum()), int(rows.lacking.sum())
    return Need(
        stage=rows.spec.stage,
        what=rows.spec.words,
        fingerprint=fingerprint(rows.spec),
        rows=len(rows.unwritten),
        shards=-(-len(rows.unwritten) // plan.experiment.run.shard_size),
        shards_done=rows.shards_done,
        rows_reusable=unwritten - lacking,
        rows_missing=lacking,
        bytes_to_write=unwritten * (plan.field(rows.spec).row_bytes + 1),  # 1 for its status
    )
