"""Save a cell of a matrix as one file: its fitted head, and how images become its features."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from ...cache.fingerprint import fingerprint
from ...errors import UsageError
from ...heads.saving import About, save_head
from ...stages.fits.fit import fit_head, refusals_explained, warnings_as_text
from ...stages.fits.samples import samples_of_collection
from ...stages.specs import FeatureSpec, parts_of
from ..experiment.schema import Experiment
from ..experiment.sections import HeadSection
from ..planning.plan import Plan
from ..planning.rows import PlanRow, combined_row, find_row
from ..results.cells import feature_block, unfitted_head
from ..results.fits import features_in_order
from ..session import Session, open_session
from ..shards.bad_images import refuse_bad_images


@dataclass(frozen=True)
class Cell:
    """A Cell names a cell of an experiment's matrix: its row, the name of its column, its head."""

    row: PlanRow
    column: str
    head: HeadSection


def find_cell(
    plan: Plan, row: str | None = None, column: str | None = None, head: str | None = None
) -> Cell:
    """Return the cell of this row, column and head.

    row: key, label, attention model or baseline. head: its label. Each may be None where the plan
    has only one.

    Raises:
        UsageError: there is no such cell, or several.
    """
    heads = {section.label: section for section in plan.experiment.head}
    name = _only("column", column, plan.columns)
    found = find_row(plan.rows, row)
    chosen = heads[_only("head", head, tuple(heads))]
    if chosen.models and plan.column(name).model not in chosen.models:
        raise UsageError(
            f"The head {chosen.label} is fitted on {', '.join(chosen.models)} alone, not on {name}."
        )
    return Cell(found, name, chosen)


def save_cell(session: Session, cell: Cell, path: Path) -> None:
    """Compute what a cell lacks, fit its head on the training samples, and write it to `path`.

    What the head warns of is said on the session's progress.

    Raises:
        BadImagesError: some images are bad and `run.skip_bad_images` is off.
        UsageError, A2pipeError: as heads and `save_head` do.
    """
    narrow = open_session(
        narrowed(session.plan, cell),
        session.cache.root,
        session.progress,
        collection=session.collection,
        executor=session.executor,
    )
    narrow.plan = narrow.plan.only(find_row(narrow.plan.rows, cell.row.key))
    samples_of_collection(narrow.collection)
    # What the head lacks, such as a text tower, is found before anything is computed.
    unfitted_head(narrow, narrow.collection, cell.row, cell.column, cell.head)
    narrow.keep()
    narrow.compute()
    bad = narrow.bad_images()
    refuse_bad_images(bad, narrow.experiment.run.skip_bad_images)
    collection = narrow.usable(bad)
    samples = samples_of_collection(collection)
    prepared = unfitted_head(narrow, collection, cell.row, cell.column, cell.head)
    block, head = feature_block(narrow, collection, cell.row, cell.column), prepared.head
    # One BLAS thread, so that the fit does not depend on the number of cores.
    with threadpool_limits(1), warnings_as_text() as warned, refusals_explained(head):
        fit_head(head, prepared.features(features_in_order(block, samples)), samples)
    for text in dict.fromkeys(warned):
        session.progress.say(text)
    save_head(head, path, _about(narrow, cell, collection.digest), cell.head.kind)


def narrowed(plan: Plan, cell: Cell) -> Experiment:
    """Return the experiment without the models, heads and combinations that a cell does not need.

    It is stored with the head, and computes only what the head needs. The cell's row keeps its key.
    """
    experiment = plan.experiment
    needed = {box.placed_by.attention.model.name for box in cell.row.boxes if box.placed_by}
    models = tuple(name for name in experiment.attention.models if name in needed)
    combine = tuple(
        section
        for section in experiment.combine
        if combined_row(section, plan.rows).key == cell.row.key
    )
    column = plan.column(cell.column)
    kept = {column.model, *models}
    weights = {name: file for name, file in experiment.run.weights.items() if name in kept}
    return experiment.model_copy(
        update={
            "attention": experiment.attention.model_copy(update={"models": models}),
            "embedding": experiment.embedding.model_copy(
                update={"models": (column.model,), "pool": ("+".join(column.pools),)}
            ),
            "combine": combine,
            "head": (cell.head.model_copy(update={"models": ()}),),
            "run": experiment.run.model_copy(update={"weights": weights}),
        }
    )


def identity(features: tuple[FeatureSpec, ...]) -> dict[str, str]:
    """Return what tells features apart, in words that an error can show.

    "attention weights" and "embedding weights": names of the models with the first digits of their
    weights' digests. "recipe": the first digits of the features' fingerprints, which hold all else.
    """
    boxes = [spec.box for feature in features for spec in parts_of(feature)]
    attention = [box.placed_by.attention.model for box in boxes if box.placed_by]
    looking = dict.fromkeys(f"{model.name} {model.weights[:12]}" for model in attention)
    extracting = dict.fromkeys(f"{f.model.name} {f.model.weights[:12]}" for f in features)
    return {
        "attention weights": ", ".join(looking) or "none",
        "embedding weights": ", ".join(extracting),
        "recipe": " ".join(fingerprint(feature)[:12] for feature in features),
    }


def _about(session: Session, cell: Cell, collection: str) -> About:
    experiment: dict[str, Any] = session.experiment.model_dump(mode="json")
    del experiment["dataset"], experiment["notes"]
    return About(
        class_names=session.collection.class_names,
        features=identity(session.plan.features(cell.row, cell.column)),
        notes={
            "experiment": experiment,
            "row": cell.row.key,
            "dataset": session.collection.name,
            "collection": collection,
        },
    )


def _only(what: str, name: str | None, known: tuple[str, ...]) -> str:
    if name in known:
        return name
    if name is None and len(known) == 1:
        return known[0]
    problem = f"There is no {what} {name!r}; choose" if name else f"There are several {what}s; name"
    raise UsageError(f"{problem} one of {', '.join(known) or 'none'}.")
