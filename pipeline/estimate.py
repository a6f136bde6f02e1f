"""What a plan still has to compute, found without computing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..cache.artifact import Artifact
from ..cache.catalog import Cache
from ..cache.fingerprint import fingerprint
from .plan import Plan, Spec
from .session import describe_spec


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


def needs(plan: Plan, cache: Cache, through: str = "embeddings") -> list[Need]:
    """One entry a spec, upstream first; reads markers only, writes nothing."""
    return [_need(plan, cache, spec) for spec in plan.specs(through)]


def _need(plan: Plan, cache: Cache, spec: Spec) -> Need:
    run, images = plan.experiment.run, plan.collection.images
    shards = -(-len(images) // run.shard_size)
    found = cache.find(spec, images, run.shard_size, run.backend)
    missing = found.missing() if found else list(range(shards))
    lacking = [
        image
        for number in missing
        for image in images[number * run.shard_size : (number + 1) * run.shard_size]
    ]
    reusable = _reusable(cache, spec, lacking, found)
    row_bytes = plan.field(spec).row_bytes + 1
    return Need(
        stage=spec.stage,
        what=describe_spec(spec),
        fingerprint=fingerprint(spec),
        rows=len(images),
        shards=shards,
        shards_done=shards - len(missing),
        rows_reusable=reusable,
        rows_missing=len(lacking) - reusable,
        bytes_to_write=len(lacking) * row_bytes,
    )


def _reusable(cache: Cache, spec: Spec, lacking: list[str], own: Artifact | None) -> int:
    """How many rows can be taken over; siblings are not even opened where none is lacking."""
    folder = own.folder if own else None
    return len(cache.gather(fingerprint(spec), lacking, folder)) if lacking else 0
