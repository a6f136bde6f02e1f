"""The cells of a matrix: each head on each feature block, computed only where no record exists."""

from __future__ import annotations

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
from ...stages.fits.prepared import HeadPlan, PreparedHead, plan_head, prepare_head
from ...stages.fits.samples import samples_of_collection
from ...stages.fits.scores import Scores, scores
from ...stages.fits.text import TextSource
from ...stages.specs import FitSpec, HeadSpec
from ..experiment.schema import HeadSection
from ..planning.rows import PlanRow
from ..session import Session
from ..shards.backbones import weights_memo
from .fits import FeatureBlock, Fit, run_fits


@dataclass(frozen=True)
class CellResult:
    """One fitted head: where it stands in the matrix, what was found, and what it predicted.

    record: its fingerprint; uses: those of the records that it was made from beside features.
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
        """What its predictions of the test samples are worth."""
        return scores(self.content, self.arrays)


@dataclass(frozen=True, eq=False)
class _Place:
    """A cell, the head that is planned for it, and its address."""

    row: PlanRow
    column: str
    label: str
    plan: HeadPlan
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
    if missing:
        session.keep([fingerprint(place.spec) for place in places])
    with closing(_fitted(session, collection, missing)) as fitted:
        for place, record in fitted:
            with session.noting():
                records.write(place.spec, *record)
            found[place.spec] = record
            advance(1)
    _say_warnings(session, [found[place.spec] for place in missing])
    return [_result(place, found[place.spec]) for place in places]


def _say_warnings(session: Session, records: Iterable[Record | None]) -> None:
    """What heads warned of while they were fitted: each warning once, with how many had it."""
    said = Counter(text for record in records if record for text in record[0]["warnings"])
    for text, count in said.items():
        session.progress.say(f"{text} (heads of {count} cells)" if count > 1 else text)


def _fitted(
    session: Session, collection: Collection, places: list[_Place]
) -> Generator[tuple[_Place, Record], None, None]:
    if not places:
        return
    fits = [
        Fit(
            feature_block(session, collection, place.row, place.column),
            partial(_prepare, session, place),
        )
        for place in places
    ]
    samples, workers = samples_of_collection(collection), session.experiment.run.workers
    with closing(run_fits(fits, samples, workers)) as results:
        for number, record in results:
            yield places[number], record


def _prepare(session: Session, place: _Place) -> PreparedHead:
    records = Records(session.cache.root)
    return prepare_head(place.plan, text_source(session, place.column), records)


def _result(place: _Place, record: Record | None) -> CellResult:
    assert record is not None
    content, arrays = record
    return CellResult(
        place.row,
        place.column,
        place.label,
        fingerprint(place.spec),
        content,
        arrays,
        place.plan.records,
    )


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


def prepared_cell(
    session: Session, collection: Collection, row: PlanRow, column: str, head: HeadSection
) -> tuple[PreparedHead, FeatureBlock]:
    """The unfitted head of one cell, and what it is to be fitted on."""
    place = _place(session, collection, row, column, head)
    return _prepare(session, place), feature_block(session, collection, row, column)


def check_heads(session: Session) -> None:
    """Find out, before any image is looked at, what a head lacks: a right parameter, a text tower.

    Prompts are embedded here. Raises UsageError and A2pipeError as `plan_head` and `prepare_head`.
    """
    for place in _places(session, session.collection):
        _prepare(session, place)


def cell_count(session: Session) -> int:
    """How many cells the matrix has."""
    return len(_addresses(session))


def fit_specs(session: Session) -> list[FitSpec]:
    """What the record of every cell is addressed by, in row order."""
    return [place.spec for place in _places(session, session.collection)]


def text_source(session: Session, column: str) -> TextSource:
    """Where the files of an embedding model's text tower are found, should it have one."""
    run = session.experiment.run
    return TextSource(run.weights.get(column), run.offline, weights_memo(session.cache))


def _place(
    session: Session, collection: Collection, row: PlanRow, column: str, head: HeadSection
) -> _Place:
    features, source = session.plan.features(row, column), text_source(session, column)
    plan = plan_head(head.kind, head.parameters, collection, features, source)
    spec = HeadSpec(head.kind, json.dumps(plan.address, sort_keys=True), name=head.label)
    return _Place(row, column, head.label, plan, FitSpec(spec, features, collection.digest))


def _places(session: Session, collection: Collection) -> list[_Place]:
    return [_place(session, collection, *address) for address in _addresses(session)]


def _addresses(session: Session) -> list[tuple[PlanRow, str, HeadSection]]:
    plan = session.plan
    return [
        (row, column, head)
        for row in plan.rows
        for column in plan.columns
        for head in plan.experiment.head
        if column in (head.models or plan.columns)
    ]
