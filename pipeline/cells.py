"""The cells of a matrix: each head on each feature block, computed only where no record exists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache.fingerprint import fingerprint
from ..cache.records import Record, Records
from ..datasets.collection import Collection
from ..heads.registry import make_head
from ..stages.samples import samples_of_collection
from ..stages.scores import Scores, scores
from ..stages.specs import FitSpec, HeadSpec
from .experiment import HeadSection
from .fits import FeatureBlock, Fit, run_fits
from .rows import PlanRow
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


@dataclass(frozen=True, eq=False)
class _Place:
    """A cell and its address."""

    row: PlanRow
    column: str
    head: HeadSection
    spec: FitSpec


def fit_cells(
    session: Session, collection: Collection, advance: Callable[[int], None] = lambda _: None
) -> list[CellResult]:
    """Every cell in row order; `collection` is the session's without its bad images.

    Each fit is recorded as soon as it is there, so that an interruption costs those in flight.
    advance: is told of every cell that is done.
    """
    records, places = Records(session.cache.root), _places(session, collection)
    found = {place.spec: records.read(place.spec) for place in places}
    missing = [place for place in places if found[place.spec] is None]
    advance(len(places) - len(missing))
    for place, record in _fitted(session, collection, missing):
        with session.noting():
            records.write(place.spec, *record)
        found[place.spec] = record
        advance(1)
    return [_result(place, found[place.spec]) for place in places]


def _fitted(
    session: Session, collection: Collection, places: list[_Place]
) -> Iterator[tuple[_Place, Record]]:
    if not places:
        return
    fits = [
        Fit(
            feature_block(session, collection, place.row, place.column),
            partial(make_head, place.head.kind, place.head.parameters),
        )
        for place in places
    ]
    samples, workers = samples_of_collection(collection), session.experiment.run.workers
    for number, record in run_fits(fits, samples, workers):
        yield places[number], record


def _result(place: _Place, record: Record | None) -> CellResult:
    assert record is not None
    return CellResult(place.row, place.column, place.head.label, fingerprint(place.spec), *record)


def feature_block(
    session: Session, collection: Collection, row: PlanRow, column: str
) -> FeatureBlock:
    """The concatenated crop embeddings of one cell."""
    specs = session.plan.features(row, column)

    def read(positions: NDArray[np.int64]) -> NDArray[np.float32]:
        images = [collection.digests[position] for position in positions]
        blocks = [session.read_features(spec, images) for spec in specs]
        return np.concatenate(blocks, axis=1, dtype=np.float32)

    return FeatureBlock(specs, session.plan.width(row, column), read)


def cell_count(session: Session) -> int:
    """How many cells the matrix has."""
    plan = session.plan
    return len(plan.rows) * len(plan.columns) * len(plan.experiment.head)


def fit_spec(
    session: Session, collection: Collection, row: PlanRow, column: str, head: HeadSection
) -> FitSpec:
    """The address of one cell: head, features, and the collection it is fitted on."""
    parameters = json.dumps(head.parameters, sort_keys=True)
    spec = HeadSpec(head.kind, parameters, name=head.label)
    return FitSpec(spec, session.plan.features(row, column), collection.digest)


def _places(session: Session, collection: Collection) -> list[_Place]:
    plan = session.plan
    return [
        _Place(row, column, head, fit_spec(session, collection, row, column, head))
        for row in plan.rows
        for column in plan.columns
        for head in plan.experiment.head
    ]
