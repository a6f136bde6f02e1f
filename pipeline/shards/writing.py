"""Committing finished shards to the cache: data first, marker last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...cache.artifact import Artifact
from ...cache.ledger import BadRow
from ..planning.plan import Plan, Stored
from .shard import Shard, ShardArray


def commit_shard(shard: Shard, artifacts: Mapping[Stored, Artifact], plan: Plan) -> int:
    """Write every array that was computed.

    Returns how many rows were computed in vain, as another process committed them meanwhile.
    """
    return sum(
        array.computed
        for array in shard.open_arrays
        if not _commit(shard, array, artifacts[array.spec], plan.field(array.spec).name)
    )


def _commit(shard: Shard, array: ShardArray[Any], artifact: Artifact, name: str) -> bool:
    """Write one array; whether it was needed, as no other process had committed it."""
    bad = [
        BadRow(row, shard.images[row], int(array.status[row]), reason)
        for row, reason in sorted(array.reasons.items())
    ]
    _, ours = artifact.commit(
        shard.number,
        {name: array.values},
        array.status,
        bad=bad,
        seconds=array.seconds,
        computed=array.computed,
    )
    return ours
