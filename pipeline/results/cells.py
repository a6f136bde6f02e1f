"""A cell of a matrix is a head on a feature block, fitted only where no record exists."""

import json
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.fingerprint import fingerprint
from ...cache.records import Record, Records
from ...datasets.collection import Collection
from ...stages.fits.head_plan import HeadPlan, UnfittedHead, build_head, plan_head
from ...stages.fits.samples import samples_of_collection
from ...stages.fits.scores import Scores, scores
from ...stages.fits.text import TextSource
from ...stages.specs import FitSpec, HeadSpec
from ..experiment.sections import HeadSection
from ..planning.rows import PlanRow
from ..session import Session
from ..shards.backbones import weights_memo
from .fits import FeatureBlock, Fit, run_fits


@dataclass(frozen=True)
class CellResult:
    """A CellResult is a fitted head of a matrix: its place, what was found, what it predicted.

    row: the row of the plan. column: its name. head: the head's label. record: the
    fingerprint of its record. content, arrays: what the record holds, with the predictions of the
    test samples among the arrays. uses: fingerprints of the records, such as those of text
    features, that the head was made from.
    """

    row: PlanRow
    column: str
    head: str
    record: str
    content: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    uses: tuple[str, ...] = ()

    @cached_property
    def scores(self) -> Scores:
        """Return accuracies over the test samples: of all, of each group and of each class."""
        return scores(self.content, self.arrays)


@dataclass(frozen=True, eq=False)
class _PlannedCell:
    """A cell has, before its fit, its place, the head that is planned for it, and its address."""

    row: PlanRow
    column: str
    label: str
    plan: HeadPlan
    spec: FitSpec


def fit_cells(
    session: Session, collection: Collection, advance: Callable[[int], None] = lambda _: None
) -> list[CellResult]:
    """Return every cell of the matrix in row order, and fit those that have no record.

    collection: the session's without its bad images. advance: is called with a number of cells
    whenever so many more are done.

    Raises:
        UsageError, A2pipeError: as heads do. Cells that are done by then have their records.
    """
    records, cells = Records(session.cache.root), _planned_cells(session, collection)
    found = {cell.spec: records.read(cell.spec) for cell in cells}
    missing = [cell for cell in cells if found[cell.spec] is None]
    advance(len(cells) - len(missing))
    if missing:
        # Before the first record is written, lest `gc` frees it while the others are fitted.
        session.keep([fingerprint(cell.spec) for cell in cells])
    with closing(_fitted(session, collection, missing)) as fitted:
        for cell, record in fitted:
            # Each as soon as it is there, so that an interruption loses only those in flight.
            with session.noting():
                records.write(cell.spec, *record)
            found[cell.spec] = record
            advance(1)
    _say_warnings(session, [found[cell.spec] for cell in missing])
    return [_result(cell, found[cell.spec]) for cell in cells]


def feature_block(
    session: Session, collection: Collection, row: PlanRow, column: str
) -> FeatureBlock:
    """Return the features of one cell: the embeddings of the row's crops, concatenated.

    Its `read` takes positions in `collection`, and raises as `Session.read` does.
    """
    specs = session.plan.features(row, column)

    def read(positions: NDArray[np.int64]) -> NDArray[np.float32]:
        images = [collection.digests[position] for position in positions]
        blocks = [session.read_features(spec, images) for spec in specs]
        return np.concatenate(blocks, axis=1, dtype=np.float32)

    return FeatureBlock(specs, session.plan.width(row, column), read)


def unfitted_head(
    session: Session, collection: Collection, row: PlanRow, column: str, head: HeadSection
) -> UnfittedHead:
    """Return the head of one cell, with its text features and projection but not fitted yet.

    Raises:
        UsageError, A2pipeError: as `plan_head` and `build_head` do.
    """
    return _prepare(session, _planned(session, collection, row, column, head))


def check_heads(session: Session) -> None:
    """Refuse a head that lacks something, such as a text tower, before any image is looked at.

    Prompts are embedded here.

    Raises:
        UsageError, A2pipeError: as `plan_head` and `build_head` do.
    """
    for cell in _planned_cells(session, session.collection):
        _prepare(session, cell)


def cell_count(session: Session) -> int:
    """Return how many cells the matrix has."""
    return len(_places(session))


def text_source(session: Session, column: str) -> TextSource:
    """Return where the files of a text tower are found, should the column's model have one."""
    run, model = session.experiment.run, session.plan.column(column).model
    return TextSource(run.weights.get(model), run.offline, weights_memo(session.cache))


def _fitted(
    session: Session, collection: Collection, cells: list[_PlannedCell]
) -> Generator[tuple[_PlannedCell, Record], None, None]:
    if not cells:
        return
    fits = [
        Fit(
            feature_block(session, collection, cell.row, cell.column),
            partial(_prepare, session, cell),
        )
        for cell in cells
    ]
    samples, workers = samples_of_collection(collection), session.experiment.run.workers
    with closing(run_fits(fits, samples, workers)) as results:
        for number, record in results:
            yield cells[number], record


def _say_warnings(session: Session, records: Iterable[Record | None]) -> None:
    """Say each warning of a fit once, with the number of cells whose heads gave it."""
    said = Counter(text for record in records if record for text in record[0]["warnings"])
    for text, count in said.items():
        session.progress.say(f"{text} (heads of {count} cells)" if count > 1 else text)


def _result(cell: _PlannedCell, record: Record | None) -> CellResult:
    assert record is not None
    place = cell.row, cell.column, cell.label
    return CellResult(*place, fingerprint(cell.spec), *record, cell.plan.records)


def _prepare(session: Session, cell: _PlannedCell) -> UnfittedHead:
    records = Records(session.cache.root)
    return build_head(cell.plan, text_source(session, cell.column), records)


def _planned_cells(session: Session, collection: Collection) -> list[_PlannedCell]:
    return [_planned(session, collection, *place) for place in _places(session)]


def _planned(
    session: Session, collection: Collection, row: PlanRow, column: str, head: HeadSection
) -> _PlannedCell:
    features, source = session.plan.features(row, column), text_source(session, column)
    plan = plan_head(head.kind, head.parameters, collection, features, source)
    spec = HeadSpec(head.kind, json.dumps(plan.address, sort_keys=True), name=head.label)
    return _PlannedCell(row, column, head.label, plan, FitSpec(spec, features, collection.digest))


def _places(session: Session) -> list[tuple[PlanRow, str, HeadSection]]:
    plan = session.plan
    return [
        (row, column.name, head)
        for row in plan.rows
        for column in plan.embedded
        for head in plan.experiment.head
        if not head.models or column.model in head.models
    ]
