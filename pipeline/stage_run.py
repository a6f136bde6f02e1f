"""One stage on its own: compute what is missing up to it, and say what came of it."""

from __future__ import annotations

from typing import Any

from ..cache.fingerprint import fingerprint
from ..errors import UsageError
from ..stages.localization import annotated
from .localize import localizations
from .matrix import drop_bad_images
from .plan import Plan, Spec
from .run_record import RunRecord
from .session import Session, describe_spec


def compute_stage(
    session: Session, through: str, rank: int = 0, world_size: int = 1
) -> list[dict[str, Any]]:
    """Compute the shards missing up to a stage; one line of results a spec of that stage.

    Raises:
        UsageError: the experiment names no model for this stage.
        BadImagesError: all is done, some images are bad and `run.skip_bad_images` is off.
    """
    specs = _specs_of_stage(session.plan, through)
    record = RunRecord(images=len(session.collection.images), stats=session.stats)
    session.keep()
    session.compute(through, rank, world_size)
    if world_size == 1:
        drop_bad_images(session, record, through)
    record.save(session.cache.root)
    return [_line(session, spec, record) for spec in specs]


def _specs_of_stage(plan: Plan, stage: str) -> list[Spec]:
    specs = [spec for spec in plan.specs(stage) if spec.stage == stage]
    if not specs:
        what = "embedding model and a crop or baseline" if stage == "embeddings" else "model"
        raise UsageError(f"Nothing to compute: name at least one {what} (see --help).")
    return specs


def _line(session: Session, spec: Spec, record: RunRecord) -> dict[str, Any]:
    run, images = session.experiment.run, session.collection.images
    folder = session.cache.folder(spec, images, run.shard_size, run.backend)
    return {
        "stage": spec.stage,
        "what": describe_spec(spec),
        "fingerprint": fingerprint(spec),
        "rows": len(images),
        "bad": len(record.bad),
        "folder": str(folder),
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
        raise UsageError(f"{session.collection.name} has no bounding boxes to compare with.")
    compute_stage(session, "boxes")
    collection = session.usable(session.bad_images("boxes"))
    found = list(localizations(session, collection))
    session.keep([line.record for line in found])
    return [{"row": line.row.label, **line.content} for line in found]
