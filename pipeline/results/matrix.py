"""The matrix of an experiment: compute what is missing, fit what has no record, put it together."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...datasets.collection import Collection
from ...errors import NotCachedError, UsageError
from ...reports.results import Cell, Localization, Matrix, Row
from ...stages.fits.samples import check_samples, grouping
from ...stages.fits.scores import intervals
from ...version import __version__
from ..planning.rows import PlanRow
from ..session import Session
from ..shards.bad_images import BadImage, refuse_bad_images
from .cells import CellResult, cell_count, check_heads, fit_cells
from .localize import Located, check_split, localizations
from .run_record import RunRecord


@dataclass(frozen=True)
class MatrixRun:
    """A finished matrix, the cells behind it, and the collection they were fitted on."""

    matrix: Matrix
    cells: tuple[CellResult, ...]
    collection: Collection
    record: RunRecord


def build_matrix(session: Session, compute: bool = True) -> MatrixRun:
    """Compute missing features (unless `compute` is off), fit missing cells, localise.

    Raises:
        UsageError: the experiment has no cell, or a head that does not exist, or the dataset cannot
            carry a head (splits, classes).
        BadImagesError: some images are bad and `run.skip_bad_images` is off; features are stored.
        NotCachedError: `compute` is off and features are missing.
    """
    record = RunRecord(images=len(session.collection.images), stats=session.stats)
    session.may_compute, bad = compute, _bad_if_complete(session)
    check(session, complete=bad is not None)
    session.keep()
    if bad is None:
        if compute:
            session.compute()
        bad = session.bad_images()
    collection = drop_bad_images(session, record, bad)
    with _timed(record, "localization"):
        located = localizations(session, collection)
    with _timed(record, "heads"):
        cells = _fit(session, collection)
    records = [name for cell in cells for name in (cell.record, *cell.uses)] + [
        name for found in located for name in found.records
    ]
    session.keep(records, replace=True)
    with session.noting():
        record.save(session.cache.root)
    matrix = _assemble(session, collection, cells, located, record)
    return MatrixRun(matrix, tuple(cells), collection, record)


def check(session: Session, complete: bool) -> None:
    """Refuse, before anything is computed, what no head could be fitted on."""
    if not session.plan.rows:
        raise UsageError("Nothing to look at: name at least one attention model or baseline.")
    if not session.plan.columns:
        raise UsageError("Nothing to extract: name at least one embedding model.")
    check_samples(session.collection)
    check_split(session)
    if complete:
        return  # a wrong head is found soon enough, and a right one need not be imported
    check_heads(session)


def _bad_if_complete(session: Session) -> list[BadImage] | None:
    """The bad images of features that are all stored, else None: one look at the markers."""
    try:
        return session.bad_images()
    except NotCachedError:
        return None


def drop_bad_images(session: Session, record: RunRecord, bad: list[BadImage]) -> Collection:
    """The collection without bad images.

    Raises:
        BadImagesError: there are some, and the experiment does not say to skip them.
    """
    record.bad = bad
    skip = session.experiment.run.skip_bad_images
    if record.bad and not skip:
        with session.noting():
            record.save(session.cache.root)
    refuse_bad_images(record.bad, skip)
    usable = session.usable(record.bad)
    record.samples_left_out = len(session.collection) - len(usable)
    return usable


def _fit(session: Session, collection: Collection) -> list[CellResult]:
    with session.progress.bar("heads", cell_count(session)) as advance:
        return fit_cells(session, collection, advance)


def _assemble(
    session: Session,
    collection: Collection,
    cells: list[CellResult],
    located: list[Located],
    record: RunRecord,
) -> Matrix:
    plan = session.plan
    return Matrix(
        name=plan.experiment.name,
        dataset=collection.name,
        collection=collection.digest,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        version=__version__,
        class_names=collection.class_names,
        group_names=grouping(collection)[1],
        rows=tuple(_row(row) for row in plan.rows),
        columns=plan.columns,
        heads=tuple(head.label for head in plan.experiment.head),
        cells=tuple(_cell(cell, record.samples_left_out) for cell in cells),
        localization=tuple(_localization(found) for found in located),
        notes=plan.experiment.notes,
        run=record.content(),
        metrics=plan.experiment.metrics,
    )


def _row(row: PlanRow) -> Row:
    return Row(
        key=row.key,
        label=row.label,
        kind=row.kind,
        attention=row.attention,
        crops=row.crops,
        smooth=row.smooth,
        baseline=row.baseline,
    )


def _cell(cell: CellResult, left_out: int) -> Cell:
    found, sure = cell.scores, intervals(cell.arrays)
    return Cell(
        row=cell.row.key,
        column=cell.column,
        head=cell.head,
        n_train=cell.content["samples"]["train"],
        n_test=found.n,
        n_left_out=left_out,
        accuracy=found.accuracy,
        wga=found.worst_group.accuracy,
        worst_group=found.worst_group.name,
        groups=found.groups,
        record=cell.record,
        worst_class=found.worst_class.accuracy,
        classes=found.classes,
        accuracy_interval=sure.accuracy,
        wga_interval=sure.worst_group,
        worst_class_interval=sure.worst_class,
        measures=cell.content["measures"],
    )


def _localization(found: Located) -> Localization:
    content = found.content
    return Localization(
        row=found.row.key,
        n=int(content["n"]),
        mass=content["mass"],
        hit=content["hit"],
        crop_hit=content.get("crop_hit"),
    )


@contextmanager
def _timed(record: RunRecord, what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    record.seconds[what] = time.perf_counter() - start
