"""One stage on its own: compute what is missing up to it, and say what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..cache.fingerprint import fingerprint
from ..errors import UsageError
from ..stages.localization import annotated
from .bad_images import BadImage, refuse_bad_images
from .localize import localizations
from .plan import Plan, Spec
from .run_record import RunRecord
from .session import Session, describe_spec


@dataclass(frozen=True)
class StageRun:
    """What one stage gave: one line a spec, and the images that could not be used."""

    lines: list[dict[str, Any]]
    bad: list[BadImage]


def compute_stage(session: Session, through: str, rank: int = 0, world_size: int = 1) -> StageRun:
    """Compute the shards missing up to a stage; with ranks, only this rank's.

    Raises:
        UsageError: the experiment names no model for this stage.
    """
    specs = _specs_of_stage(session.plan, through)
    record = RunRecord(images=len(session.collection.images), stats=session.stats)
    session.keep(through=through)
    session.compute(through, rank, world_size)
    record.bad = session.bad_images(through, so_far=world_size > 1)
    with session.noting():
        record.save(session.cache.root)
    return StageRun([_line(session, spec, record) for spec in specs], record.bad)


def _specs_of_stage(plan: Plan, stage: str) -> list[Spec]:
    specs = [spec for spec in plan.specs(stage) if spec.stage == stage]
    if not specs:
        what = "embedding model and a crop or baseline" if stage == "embeddings" else "model"
        raise UsageError(f"Nothing to compute: name at least one {what} (see --help).")
    return specs


def _line(session: Session, spec: Spec, record: RunRecord) -> dict[str, Any]:
    found = session.stored(spec)
    assert found is not None, "what was just computed is stored"
    return {
        "stage": spec.stage,
        "what": describe_spec(spec),
        "fingerprint": fingerprint(spec),
        "rows": found.cut.rows,
        "shards": f"{len(found.markers())}/{found.cut.shards}",
        "bad": len(record.bad),
        "folder": str(found.folder),
    }


def localize_table(session: Session) -> list[dict[str, Any]]:
    """Compute attention and boxes where missing, then one line of localisation a row.

    Raises:
        UsageError: no attention model is named, or the dataset has no boxes.
        BadImagesError: some images are bad and `run.skip_bad_images` is off.
    """
    if not session.experiment.attention.models:
        raise UsageError("Name at least one attention model with --model.")
    if not len(annotated(session.collection)):
        raise UsageError(
            f"Dataset {session.collection.name} has no bounding boxes to compare with."
        )
    bad = compute_stage(session, "boxes").bad
    refuse_bad_images(bad, session.experiment.run.skip_bad_images)
    collection = session.usable(bad)
    found = list(localizations(session, collection))
    session.keep([line.record for line in found], through="boxes")
    return [{"row": line.row.label, **line.content} for line in found]
