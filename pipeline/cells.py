"""The cells of a matrix: each head on each feature block, computed only where no record exists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache.fingerprint import fingerprint
from ..cache.records import Records
from ..datasets.collection import Collection
from ..stages.heads import fit_cell
from ..stages.specs import FitSpec, HeadSpec
from .experiment import HeadSection
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


def fit_cells(session: Session, collection: Collection) -> Iterator[CellResult]:
    """Every cell in row order; `collection` is the session's without its bad images."""
    for row in session.plan.rows:
        for column in session.plan.columns:
            yield from _fit_heads(session, collection, row, column)


def cell_count(session: Session) -> int:
    """How many cells the matrix has."""
    plan = session.plan
    return len(plan.rows) * len(plan.columns) * len(plan.experiment.head)


def features_of(
    session: Session, collection: Collection, row: PlanRow, column: str
) -> NDArray[np.float32]:
    """Concatenated crop embeddings, one row a sample: float32 (N, n * d)."""
    images = list(collection.digests)
    blocks = [session.read(spec, images) for spec in session.plan.features(row, column)]
    return np.concatenate(blocks, axis=1, dtype=np.float32)


def fit_spec(
    session: Session, collection: Collection, row: PlanRow, column: str, head: HeadSection
) -> FitSpec:
    """The address of one cell: head, features, and the collection it is fitted on."""
    parameters = json.dumps(head.parameters, sort_keys=True)
    spec = HeadSpec(head.kind, parameters, name=head.label)
    return FitSpec(spec, session.plan.features(row, column), collection.digest)


def _fit_heads(
    session: Session, collection: Collection, row: PlanRow, column: str
) -> Iterator[CellResult]:
    records = Records(session.cache.root)
    features: NDArray[np.float32] | None = None
    for head in session.experiment.head:
        spec = fit_spec(session, collection, row, column, head)
        found = records.read(spec)
        if found is None:
            if features is None:
                features = features_of(session, collection, row, column)
            found = fit_cell(head.kind, head.parameters, features, collection)
            with session.noting():
                records.write(spec, *found)
        yield CellResult(row, column, head.label, fingerprint(spec), *found)
