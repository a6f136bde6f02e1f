"""Localisation of every attention row of a plan, computed only where no record exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..cache.fingerprint import fingerprint
from ..cache.records import Records
from ..datasets.collection import Collection
from ..stages.localization import annotated, boxes_on_canvas, localize
from ..stages.specs import LocalizeSpec, MapSpec
from .plan import PlanRow
from .session import Session


@dataclass(frozen=True)
class Located:
    """Localisation of one row: means over the annotated images, and the record's fingerprint."""

    row: PlanRow
    record: str
    content: dict[str, Any]


def localizations(session: Session, collection: Collection) -> Iterator[Located]:
    """Mass, hit rate and crop hit rate a row; nothing for a collection without boxes."""
    if not len(annotated(collection)):
        return
    for row in session.plan.rows:
        if row.map is not None:
            yield _localize_row(session, collection, row, row.map)


def _localize_row(
    session: Session, collection: Collection, row: PlanRow, attention_map: MapSpec
) -> Located:
    canvas = session.experiment.image.size
    spec = LocalizeSpec(attention_map, canvas, collection.digest, row.boxes)
    records = Records(session.cache.root)
    found = records.read(spec)
    if found is None:
        found = _measure(session, collection, row, attention_map)
        with session.noting():
            records.write(spec, *found)
    return Located(row, fingerprint(spec), found[0])


def _measure(
    session: Session, collection: Collection, row: PlanRow, attention_map: MapSpec
) -> tuple[dict[str, Any], dict[str, Any]]:
    canvas = session.experiment.image.size
    chosen = annotated(collection)
    images = [collection.digests[index] for index in chosen]
    crops = [session.read(box, images) for box in row.boxes]
    return localize(
        attention_map,
        session.read(attention_map.attention, images),
        session.backbones.prefix_tokens(attention_map.attention.model),
        canvas,
        [boxes_on_canvas(collection, index, canvas) for index in chosen],
        np.array(crops, np.int32).reshape(len(crops), len(chosen), 4),
    )
