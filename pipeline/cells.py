"""The cells of a matrix: each head on each feature block, computed only where no record exists."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from ..cache.fingerprint import fingerprint
from ..cache.records import Record, Records
from ..datasets.collection import Collection
from ..stages.samples import samples_of_collection
from ..stages.scores import Scores, scores
from ..stages.specs import FitSpec, HeadSpec
from .experiment import HeadSection
from .fits import Fit, run_fits
from .plan import PlanRow
from .session import Session


@dataclass(frozen=True)
class CellResult:
    """One fitted head: where it stands in the matrix, what was found, and what it predicted."""

    row: PlanRow
    column: str
    head: str
    record: str
    content: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @cached_property
    def scores(self) -> Scores:
        """What its predictions of the test samples are worth."""
        return scores(self.content, self.arrays)


def fit_cells(
    session: Session, collection: Collection, advance: Callable[[int], None] = lambda _: None
) -> list[CellResult]:
    """Every cell in row order; `collection` is the session's without its bad images.

    Each fit is recorded as soon as it is there, so that an interruption costs those in flight.
    advance: is told of every cell that is done.
    """
    records = Records(session.cache.root)
    places = [Fit(fit_spec(session, collection, *place), *place) for place in _places(session)]
    found = {fit.spec: records.read(fit.spec) for fit in places}
    missing = [fit for fit in places if found[fit.spec] is None]
    advance(len(places) - len(missing))
    if missing:
        for fit, record in run_fits(session, samples_of_collection(collection), missing):
            with session.noting():
                records.write(fit.spec, *record)
            found[fit.spec] = record
            advance(1)
    return [_result(fit, found[fit.spec]) for fit in places]


def _result(fit: Fit, record: Record | None) -> CellResult:
    assert record is not None
    return CellResult(fit.row, fit.column, fit.head.label, fingerprint(fit.spec), *record)


def cell_count(session: Session) -> int:
    """How many cells the matrix has."""
    return len(_places(session))


def fit_spec(
    session: Session, collection: Collection, row: PlanRow, column: str, head: HeadSection
) -> FitSpec:
    """The address of one cell: head, features, and the collection it is fitted on."""
    parameters = json.dumps(head.parameters, sort_keys=True)
    spec = HeadSpec(head.kind, parameters, name=head.label)
    return FitSpec(spec, session.plan.features(row, column), collection.digest)


def _places(session: Session) -> list[tuple[PlanRow, str, HeadSection]]:
    plan = session.plan
    return [
        (row, column, head)
        for row in plan.rows
        for column in plan.columns
        for head in plan.experiment.head
    ]
