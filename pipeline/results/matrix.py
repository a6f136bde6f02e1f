"""Build an experiment's matrix: compute missing features, fit missing cells, join them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from ...cache.ledger import now
from ...datasets.collection import Collection
from ...errors import NotCachedError, UsageError
from ...reports.matrix import Cell, Matrix, Row
from ...stages.fits.samples import check_samples, grouping
from ...stages.fits.scores import intervals
from ...version import __version__
from ..planning.rows import PlanRow
from ..session import Session
from ..shards.bad_images import BadImage, refuse_bad_images
from .cells import CellResult, cell_count, check_heads, fit_cells
from .localize import RowLocalization, check_split, localizations
from .run_record import RunRecord


@dataclass(frozen=True)
class MatrixRun:
    """A MatrixRun is a finished matrix, and what it was made of.

    matrix: what the report shows. cells: every cell in row order, with its predictions. collection:
    the samples that the heads were fitted on, without those of bad images. record: what the run
    did, and what it took.
    """

    matrix: Matrix
    cells: tuple[CellResult, ...]
    collection: Collection
    record: RunRecord


def build_matrix(session: Session, compute: bool = True) -> MatrixRun:
    """Compute missing features, fit missing cells, measure missing localisations, return it all.

    compute: whether missing features may be computed.

    Raises:
        UsageError: the experiment has no row or no column, a head does not exist, or no head can be
            fitted on the dataset's splits and classes.
        BadImagesError: some images are bad and `run.skip_bad_images` is off. The features of the
            others are stored then.
        NotCachedError: `compute` is off and features are missing.
    """
    record = RunRecord(images=len(session.collection.images), stats=session.stats)
    session.may_compute, bad = compute, _bad_if_complete(session)
    check(session, complete=bad is not None)
    session.keep()  # before anything is written, lest `gc` frees it while the run goes on
    if bad is None:
        if compute:
            session.compute()
        bad = session.bad_images()
    collection = drop_bad_images(session, record, bad)
    with _timed(record, "localization"):
        localized = localizations(session, collection)
    with _timed(record, "heads"):
        cells = _fit(session, collection)
    records = [name for cell in cells for name in (cell.record, *cell.uses)]
    records += [name for each in localized for name in each.records]
    # Only now may what earlier runs used be forgotten: a run that fails keeps both.
    session.keep(records, replace=True)
    with session.noting():
        record.save(session.cache.root)
    matrix = _assemble(session, collection, cells, localized, record)
    return MatrixRun(matrix, tuple(cells), collection, record)


def check(session: Session, complete: bool) -> None:
    """Refuse, before anything is computed, what no head could be fitted on.

    complete: whether all features are stored. Heads are then not looked at in advance, as a wrong
    one is found soon enough, and right ones whose cells have records need not be imported.

    Raises:
        UsageError, A2pipeError: as `build_matrix` and `check_heads` do.
    """
    if not session.plan.rows:
        raise UsageError("Nothing to look at: name at least one attention model or baseline.")
    if not session.plan.columns:
        raise UsageError("Nothing to extract: name at least one embedding model.")
    check_samples(session.collection)
    check_split(session)
    if not complete:
        check_heads(session)


def _bad_if_complete(session: Session) -> list[BadImage] | None:
    """Return the bad images, or None if features are missing; markers are read once for both."""
    try:
        return session.bad_images()
    except NotCachedError:
        return None


def drop_bad_images(session: Session, record: RunRecord, bad: list[BadImage]) -> Collection:
    """Return the session's collection without bad images, and note these in the record.

    Raises:
        BadImagesError: there are bad images, and `run.skip_bad_images` is off. The record of the
            run is written before.
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
    localized: list[RowLocalization],
    record: RunRecord,
) -> Matrix:
    plan = session.plan
    return Matrix(
        name=plan.experiment.name,
        dataset=collection.name,
        collection=collection.digest,
        created=now(),
        version=__version__,
        class_names=collection.class_names,
        group_names=grouping(collection)[1],
        rows=tuple(_row(row) for row in plan.rows),
        columns=plan.columns,
        heads=tuple(head.label for head in plan.experiment.head),
        cells=tuple(_cell(cell, record.samples_left_out) for cell in cells),
        localization=tuple(each.shown for each in localized),
        notes=plan.experiment.notes,
        run=record.content(),
        metrics=plan.experiment.metrics,
    )


def _row(row: PlanRow) -> Row:
    """Return the row as a report shows it: with the fields that both have in common."""
    return Row(**{each.name: getattr(row, each.name) for each in fields(Row)})


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


@contextmanager
def _timed(record: RunRecord, what: str) -> Iterator[None]:
    """Note in the record how many seconds were spent within."""
    start = time.perf_counter()
    yield
    record.seconds[what] = time.perf_counter() - start
