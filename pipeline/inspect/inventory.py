"""List what is stored: the artifacts of a cache, and the state and pace of an experiment."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ...cache.artifact import Artifact
from ...cache.catalog import Cache
from ...cache.ledger import Marker
from ...errors import NotCachedError, UsageError
from ..planning.plan import STAGES
from ..session import Session
from .estimate import Need, needs

Table = list[dict[str, Any]]

PACE_WINDOW = 3600.0
"""Shards of so many seconds before the newest marker count for the pace."""


def inventory(cache: Cache) -> Table:
    """Return a line for every artifact: its model, rows, shards done, bad rows and bytes."""
    return [_artifact_line(artifact) for artifact in cache.artifacts()]


def find_artifact(cache: Cache, prefix: str) -> Artifact:
    """Return the artifact whose fingerprint begins with `prefix`.

    Of several row folders of that fingerprint it is the one with most rows.

    Raises:
        NotCachedError: no fingerprint begins so.
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
    """Return a line for every stage of the plan: artifacts, shards done and missing, bad images.

    While rows are missing, a line also has the images a second of late and the seconds left, each
    None where no pace can be told.
    """
    lines = needs(session.plan, session.cache)
    return [
        _stage_line(session, stage, chosen)
        for stage in STAGES
        if (chosen := [line for line in lines if line.stage == stage])
    ]


def rows_per_second(markers: Iterable[Marker]) -> float | None:
    """Return the rows computed a second in the hour before the newest marker; None if unknown.

    The rows of all tasks count. Those of the hour's first moment do not, as the time that they took
    lies before it.
    """
    times = [(datetime.fromisoformat(m.written).timestamp(), m.computed) for m in markers]
    newest = max((when for when, _ in times), default=0.0)
    recent = [(when, rows) for when, rows in times if when >= newest - PACE_WINDOW and rows]
    first = min((when for when, _ in recent), default=newest)
    rows = sum(rows for when, rows in recent if when > first)
    return rows / (newest - first) if rows else None


def _stage_line(session: Session, stage: str, chosen: list[Need]) -> dict[str, Any]:
    missing = sum(line.rows_missing for line in chosen)
    specs = [spec for spec in session.plan.specs(stage) if spec.stage == stage]
    found = [artifact for artifact in map(session.stored, specs) if artifact and missing]
    rate = rows_per_second(marker for each in found for marker in each.markers().values())
    return {
        "stage": stage,
        "artifacts": len(chosen),
        "shards_done": sum(line.shards_done for line in chosen),
        "shards_missing": sum(line.shards - line.shards_done for line in chosen),
        "rows_missing": missing,
        "bad_images": _bad_images(session, stage),
        "images_per_second": None if rate is None else round(rate / len(chosen)),
        "seconds_left": None if rate is None else round(missing / rate),
    }


def _artifact_line(artifact: Artifact) -> dict[str, Any]:
    # One look at the markers tells both; each look reads a file a shard.
    markers = artifact.markers()
    return {
        "stage": artifact.stage,
        "fingerprint": artifact.fingerprint[:12],
        "model": _model_name(artifact.spec),
        "rows": artifact.cut.rows,
        "shards": f"{len(markers)}/{artifact.cut.shards}",
        "bad": sum(len(marker.bad) for marker in markers.values()),
        "bytes": artifact.nbytes,
        "folder": str(artifact.folder),
    }


def _model_name(spec: Mapping[str, Any]) -> str:
    """Return the first model named in a spec, its own before those upstream."""
    model = spec.get("model")
    if isinstance(model, Mapping):
        return str(model.get("name", ""))
    upstream = [value for value in spec.values() if isinstance(value, Mapping)]
    return next((name for name in map(_model_name, upstream) if name), "")


def _bad_images(session: Session, stage: str) -> int:
    """Return how many images lack a usable row up to this stage, unreadable files among them."""
    bad = set(session.collection.unreadable)
    for artifact in filter(None, map(session.stored, session.plan.specs(stage))):
        bad |= {row.image for row in artifact.bad_rows()}
    return len(bad)
