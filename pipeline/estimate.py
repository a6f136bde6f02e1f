"""What a plan still has to compute, found without computing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    gathered = cache.gather(fingerprint(spec), lacking, found.folder if found else None)
    row_bytes = plan.field(spec).row_bytes + 1
    return Need(
        stage=spec.stage,
        what=describe_spec(spec),
        fingerprint=fingerprint(spec),
        rows=len(images),
        shards=shards,
        shards_done=shards - len(missing),
        rows_reusable=len(gathered.available),
        rows_missing=len(lacking) - len(gathered.available),
        bytes_to_write=len(lacking) * row_bytes,
    )
