"""What a plan still has to compute, found without computing anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.artifact import Artifact
from ...cache.catalog import Cache
from ...cache.fingerprint import fingerprint
from ...stages.geometry import Canvas
from ...stages.specs import ForwardPass, ModelSpec
from ..planning.plan import Plan, Spec, Stored
from ..shards.disk import free_bytes, size_words

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Need:
    """One spec of a plan: how many of its rows are stored, reusable, and missing."""

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
        """Plain values by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Estimate:
    """What a run would take: an entry a spec, upstream first, and the sums.

    forward_passes: images through each model; decodes: files, each as often as it is decoded. A bad
    image makes both smaller.
    """

    needs: list[Need]
    forward_passes: dict[str, int]
    decodes: int
    bytes_free: int

    @property
    def bytes_to_write(self) -> int:
        """Of all specs."""
        return sum(need.bytes_to_write for need in self.needs)

    def totals(self) -> dict[str, Any]:
        """The sums as plain values."""
        return {
            "forward_passes": self.forward_passes,
            "forward_passes_total": sum(self.forward_passes.values()),
            "decodes": self.decodes,
            "bytes_to_write": self.bytes_to_write,
            "bytes_free": self.bytes_free,
        }

    def words(self) -> list[str]:
        """The sums as lines for a person."""
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
class _Look:
    """What there is of one spec. open: rows of shards that are missing; lacks: those of them that
    no other row folder has; both (n,)."""

    spec: Stored
    shards_done: int
    open: Mask
    lacks: Mask


def needs(plan: Plan, cache: Cache, through: str = "embeddings") -> list[Need]:
    """One entry a spec, upstream first; reads markers only, writes nothing."""
    return [_need(plan, _look(plan, cache, spec)) for spec in plan.specs(through)]


def estimate(plan: Plan, cache: Cache, through: str = "embeddings") -> Estimate:
    """What is missing up to a stage and what it takes; reads markers only, writes nothing."""
    looks = {spec: _look(plan, cache, spec) for spec in plan.specs(through)}
    pixels = {canvas: _of_pixels(plan, cache, canvas, looks) for canvas in plan.pixels(looks)}
    return Estimate(
        needs=[_need(plan, look) for look in (*pixels.values(), *looks.values())],
        forward_passes=_forward_passes(looks),
        decodes=_decodes(looks, pixels),
        bytes_free=free_bytes(cache.root),
    )


def model_inputs(estimated: Mapping[Spec, Mask]) -> dict[tuple[ModelSpec, int, str], int]:
    """Passes by model, side of its input and stage, of the rows that each spec lacks.

    Blocks of one model share a pass, and so does the embedding of the same pixels.
    """
    passes: dict[tuple[ModelSpec, int, str], int] = defaultdict(int)
    covered: dict[ForwardPass, Mask] = {}
    for spec, lacks in estimated.items():
        shared = spec.forward_pass
        if shared is not None:
            before = covered.get(shared, np.zeros_like(lacks))
            passes[shared.model, shared.side, spec.stage] += int((lacks & ~before).sum())
            covered[shared] = before | lacks
    return {key: count for key, count in passes.items() if count}


def lacking(plan: Plan, cache: Cache, through: str = "embeddings") -> dict[Spec, Mask]:
    """Which rows (n,) of each spec have to be computed."""
    return {spec: _look(plan, cache, spec).lacks for spec in plan.specs(through)}


def _forward_passes(looks: Mapping[Spec, _Look]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for (model, _, _), count in model_inputs({s: look.lacks for s, look in looks.items()}).items():
        counts[model.name] += count
    return dict(counts)


def _decodes(looks: Mapping[Spec, _Look], pixels: Mapping[Canvas, _Look]) -> int:
    """Once for the canvases of an image, and once more for its crops from the original."""
    canvases = [_undecoded(spec, look, pixels) for spec, look in looks.items()]
    canvases += [look.lacks for look in pixels.values()]
    originals = [look.lacks for spec, look in looks.items() if spec.reads_original]
    return sum(int(np.any(masks, axis=0).sum()) for masks in (canvases, originals) if masks)


def _undecoded(spec: Spec, look: _Look, pixels: Mapping[Canvas, _Look]) -> Mask:
    """Rows that a spec needs a canvas for; where canvases are stored, those tell what to decode."""
    if spec.pixels is None or spec.pixels in pixels:
        return np.zeros_like(look.lacks)
    return look.lacks


def _of_pixels(plan: Plan, cache: Cache, canvas: Canvas, looks: Mapping[Spec, _Look]) -> _Look:
    """Canvases are stored in those shards in which a spec that reads them is missing."""
    look = _look(plan, cache, canvas)
    wanted = np.any([each.open for spec, each in looks.items() if spec.pixels == canvas], axis=0)
    return _Look(canvas, look.shards_done, look.open & wanted, look.lacks & wanted)


def _look(plan: Plan, cache: Cache, spec: Stored) -> _Look:
    run, images = plan.experiment.run, plan.collection.images
    shards = -(-len(images) // run.shard_size)
    found = cache.find(spec, images, run.shard_size, run.backend)
    missing = found.missing() if found else list(range(shards))
    is_open = np.zeros(len(images), bool)
    for number in missing:
        is_open[number * run.shard_size : (number + 1) * run.shard_size] = True
    lacks = is_open.copy()
    lacks[is_open] = ~_reusable(cache, spec, _chosen(images, is_open), found)
    return _Look(spec, shards - len(missing), is_open, lacks)


def _chosen(images: tuple[str, ...], mask: Mask) -> tuple[str, ...]:
    """The images of a mask; the very same tuple for all, so that looking them up is shared."""
    return images if mask.all() else tuple([images[row] for row in np.flatnonzero(mask)])


def _reusable(cache: Cache, spec: Stored, images: tuple[str, ...], own: Artifact | None) -> Mask:
    """Whose rows can be taken over; siblings are not even opened where none is asked for."""
    if not images:
        return np.zeros(0, bool)
    return cache.gather(fingerprint(spec), images, own.folder if own else None).offered


def _need(plan: Plan, look: _Look) -> Need:
    rows, lacking = int(look.open.sum()), int(look.lacks.sum())
    return Need(
        stage=look.spec.stage,
        what=look.spec.words,
        fingerprint=fingerprint(look.spec),
        rows=len(look.open),
        shards=-(-len(look.open) // plan.experiment.run.shard_size),
        shards_done=look.shards_done,
        rows_reusable=rows - lacking,
        rows_missing=lacking,
        bytes_to_write=rows * (plan.field(look.spec).row_bytes + 1),
    )
