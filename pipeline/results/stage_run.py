"""Run one stage on its own: compute what is missing up to it, and tell what is stored then."""

from dataclasses import dataclass
from typing import Any

from ...cache.fingerprint import fingerprint
from ...errors import UsageError
from ..planning.plan import THROUGH, Plan, Spec
from ..session import Session
from ..shards.bad_images import BadImage
from .run_record import RunRecord


@dataclass(frozen=True)
class StageRun:
    """A StageRun is the outcome of one stage.

    lines: for each of its specs the words for it, rows, shards, bad images and folder, as a table.
    bad: images that could not be used.
    """

    lines: list[dict[str, Any]]
    bad: list[BadImage]


def compute_stage(session: Session, through: str, rank: int = 0, world_size: int = 1) -> StageRun:
    """Compute the missing shards of all stages up to this one, and write the record of the run.

    through: a key of `planning.plan.THROUGH`. rank, world_size: of the missing shards, compute
    those that are dealt to this one of so many processes; bad images are then told of the shards
    that are done by now.

    Raises:
        UsageError: the experiment names no model for this stage.
    """
    specs = _specs_to_show(session.plan, through)
    record = RunRecord(images=len(session.collection.images), stats=session.stats)
    session.keep(through=through)  # before a row is there, lest `gc` frees it in the meantime
    session.compute(through, rank, world_size)
    record.bad = session.bad_images(through, so_far=world_size > 1)
    with session.noting():
        record.save(session.cache.root)
    return StageRun([_line(session, spec, record) for spec in specs], record.bad)


def _specs_to_show(plan: Plan, through: str) -> list[Spec]:
    """Return the specs of the stage that a command is named for; of maps there are two."""
    shown = THROUGH["maps"] if through == "maps" else (through,)
    specs = [spec for spec in plan.specs(through) if spec.stage in shown]
    if not specs:
        what = "embedding model and a crop or baseline" if through == "embeddings" else "model"
        raise UsageError(f"Nothing to compute: name at least one {what} (see --help).")
    return specs


def _line(session: Session, spec: Spec, record: RunRecord) -> dict[str, Any]:
    found = session.stored(spec)
    assert found is not None, "what was just computed is stored"
    return {
        "stage": spec.stage,
        "what": spec.words,
        "fingerprint": fingerprint(spec),
        "rows": found.cut.rows,
        "shards": f"{len(found.markers())}/{found.cut.shards}",
        "bad": len(record.bad),
        "folder": str(found.folder),
    }
