"""Tables of what is there: artifacts of a cache, state of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...cache.artifact import Artifact
from ...cache.catalog import Cache
from ...errors import NotCachedError, UsageError
from ..planning.plan import STAGES
from ..session import Session
from .estimate import Need, needs
from .pace import pace

Table = list[dict[str, Any]]


def inventory(cache: Cache) -> Table:
    """Every artifact: stage, fingerprint, what it is, rows, shards done, bad rows, bytes."""
    return [_artifact_line(artifact) for artifact in cache.artifacts()]


def find_artifact(cache: Cache, prefix: str) -> Artifact:
    """The artifact whose fingerprint begins so; of several row folders the one with most rows.

    Raises:
        NotCachedError: there is none.
        UsageError: several fingerprints begin so.
    """
    found = cache.artifacts(prefix=prefix)
    names = {artifact.fingerprint for artifact in found}
    if not found:
        raise NotCachedError(f"No fingerprint in {cache.root} begins with {prefix!r}.")
    if len(names) > 1:
        raise UsageError(f"{len(names)} fingerprints begin with {prefix!r}; give more digits.")
    return max(found, key=lambda artifact: artifact.cut.rows)


def status_table(session: Session) -> Table:
    """Per stage: artifacts, shards done and missing, bad images; while it is not complete, images
    a second of late and the time left (both None if unknown)."""
    lines = needs(session.plan, session.cache)
    return [
        _stage_line(session, stage, chosen)
        for stage in STAGES
        if (chosen := [line for line in lines if line.stage == stage])
    ]


def _stage_line(session: Session, stage: str, chosen: list[Need]) -> dict[str, Any]:
    missing = sum(line.rows_missing for line in chosen)
    found = [session.stored(spec) for spec in session.plan.specs(stage) if spec.stage == stage]
    late = pace([artifact for artifact in found if artifact] if missing else [])
    rate, left = late.rows_per_second, late.seconds_for(missing)
    return {
        "stage": stage,
        "artifacts": len(chosen),
        "shards_done": sum(line.shards_done for line in chosen),
        "shards_missing": sum(line.shards - line.shards_done for line in chosen),
        "rows_missing": missing,
        "bad_images": _bad(session, stage),
        "images_per_second": None if rate is None else round(rate / len(chosen)),
        "seconds_left": None if left is None else round(left),
    }


def _artifact_line(artifact: Artifact) -> dict[str, Any]:
    return {
        "stage": artifact.stage,
        "fingerprint": artifact.fingerprint[:12],
        "model": _model_name(artifact.spec),
        "rows": artifact.cut.rows,
        "shards": f"{len(artifact.markers())}/{artifact.cut.shards}",
        "bad": len(artifact.bad_rows()),
        "bytes": artifact.nbytes,
        "folder": str(artifact.folder),
    }


def _model_name(spec: Mapping[str, Any]) -> str:
    """The first model named in a spec, its own before those upstream."""
    model = spec.get("model")
    if isinstance(model, Mapping):
        return str(model.get("name", ""))
    upstream = [value for value in spec.values() if isinstance(value, Mapping)]
    return next((name for name in map(_model_name, upstream) if name), "")


def _bad(session: Session, stage: str) -> int:
    run, images = session.experiment.run, session.collection.images
    bad = set(session.collection.unreadable)
    for spec in session.plan.specs(stage):
        found = session.cache.find(spec, images, run.shard_size, run.backend)
        bad |= {row.image for row in found.bad_rows()} if found else set()
    return len(bad)
