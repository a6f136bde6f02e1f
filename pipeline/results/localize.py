"""Localisation records of maps and crops: read where they are stored, else measured."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ...cache.fingerprint import fingerprint
from ...cache.records import Record, Records
from ...datasets.collection import Collection
from ...errors import UsageError
from ...machine import cores
from ...stages.localization import (
    Floats,
    NoAnswerError,
    Subjects,
    Values,
    find_subjects,
    joined,
    lost_boxes,
    measure_crops,
    measure_maps,
    samples_of,
    summarize,
    why_no_boxes,
)
from ...stages.specs import AttentionSpec, BoxSpec, CoverageSpec, LocalizeSpec, MapSpec
from ..planning.rows import PlanRow
from ..session import Session
from ..shards.prefetch import prefetch

READ_AT_ONCE = 2048
"""Images whose attention rows are in memory together; twice as many while the next are read."""
MAPS_A_JOB = 128

Job = tuple[NDArray[np.float32], tuple[Floats, ...]]
"""Attention rows (n, heads, tokens) and the boxes of their images."""


@dataclass(frozen=True)
class Found:
    """A record: its fingerprint, what it says, and the values per image beside it."""

    record: str
    content: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Located:
    """Localisation of one row: means over the images with boxes, and the records behind them.

    content: "n", "mass", "hit" and, where crops were placed, "crop_hit".
    """

    row: PlanRow
    records: tuple[str, ...]
    content: dict[str, Any]


def check_split(session: Session) -> None:
    """Raises UsageError if there is no image in the split that maps would be measured on."""
    if any(row.map for row in session.plan.rows):
        samples_of(session.collection, session.experiment.localize.split)


def localizations(session: Session, collection: Collection) -> list[Located]:
    """Mass, hit rate and crop hit rate a row, on pixels or else on the first evaluation named.

    Nothing for a collection whose split has no boxes, or none that can be compared with; where the
    dataset has boxes, one line of the progress says why.
    """
    if not any(row.map for row in session.plan.rows):
        return []
    try:
        measurements = Measurements(session, collection)
    except UsageError as reason:
        session.progress.say(f"Nothing is localised: {reason}")
        return []
    measurements.say_which_boxes_miss()
    if not measurements.subjects.boxes:
        return []
    try:
        return list(_localizations(measurements))
    except NoAnswerError as reason:
        session.progress.say(f"Nothing is localised: {reason}")
        return []


def _localizations(measurements: Measurements) -> Iterator[Located]:
    session = measurements.session
    named = session.experiment.localize.evaluation
    evaluation = "pixels" if "pixels" in named else named[0]
    maps: dict[MapSpec, Found] = {}
    for row in session.plan.rows:
        if row.map is not None:
            if row.map not in maps:
                found = measurements.of_map(row.map, evaluation)
                maps[row.map] = replace(found, arrays={})
            yield _located(row, maps[row.map], measurements.of_crops(row.boxes))


def _located(row: PlanRow, of_map: Found, of_crops: Found) -> Located:
    content = {**of_crops.content, **of_map.content}
    return Located(row, (of_map.record, of_crops.record), content)


class Measurements:
    """What was measured on one split of a collection; whatever has no record yet is measured."""

    def __init__(self, session: Session, collection: Collection):
        self.session = session
        self.canvas = session.experiment.image.canvas
        self.split = session.experiment.localize.split
        self.collection = collection
        self.subjects: Subjects = find_subjects(collection, self.split, self.canvas)
        self._records = Records(session.cache.root)

    def on(self, collection: Collection) -> Measurements:
        """These on another collection, such as the same without bad images."""
        same = collection is self.collection
        return self if same else Measurements(self.session, collection)

    def say_which_boxes_miss(self) -> None:
        """One line of the progress on why nothing is compared with the dataset's boxes, if it has
        any, or on images that lose theirs to the geometry."""
        if self.subjects.boxes:
            reason = lost_boxes(self.subjects, self.canvas)
        else:
            reason = why_no_boxes(self.session.collection, self.collection, self.split, self.canvas)
        if reason:
            self.session.progress.say(reason)

    def of_map(self, attention_map: MapSpec, evaluation: str) -> Found:
        """Localisation, token shares and concentration of one map."""
        digest = self.collection.digest
        spec = LocalizeSpec(attention_map, self.canvas.side, digest, self.split, evaluation)
        return self._found(spec, self._records.read(spec) or self._measured(spec))

    def of_crops(self, crops: tuple[BoxSpec, ...]) -> Found:
        """Coverage and hit of a list of crops."""
        spec = CoverageSpec(crops, self.canvas.side, self.collection.digest, self.split)
        return self._found(spec, self._records.read(spec) or self._covered(spec))

    def _found(self, spec: LocalizeSpec | CoverageSpec, record: Record) -> Found:
        return Found(fingerprint(spec), *record)

    def _measured(self, spec: LocalizeSpec) -> Record:
        workers = self.session.experiment.run.workers or cores()
        prefix = self.session.plan.backbones[spec.map.attention.model.name].prefix_tokens

        def work(job: Job) -> Values:
            return measure_maps(spec, job[0], prefix, job[1])

        with (
            threadpool_limits(1),
            ThreadPoolExecutor(workers, "localize") as pool,
            closing(prefetch(self._jobs(spec.map.attention), work, pool, ahead=1)) as parts,
        ):
            values = joined([part for _, found in parts for part in found])
        return self._noted(spec, values)

    def _jobs(self, attention: AttentionSpec) -> Iterator[tuple[None, list[Job]]]:
        images, boxes = self.subjects.images, self.subjects.boxes
        for start in range(0, len(images), READ_AT_ONCE):
            part = slice(start, start + READ_AT_ONCE)
            rows = self.session.read(attention, list(images[part]))
            yield None, list(_jobs(rows, boxes[part]))

    def _covered(self, spec: CoverageSpec) -> Record:
        images = list(self.subjects.images)
        crops = np.stack([self.session.read(box, images) for box in spec.crops])
        return self._noted(spec, measure_crops(crops, self.subjects, self.canvas.side))

    def _noted(self, spec: LocalizeSpec | CoverageSpec, values: Values) -> Record:
        record = summarize(values, self.subjects)
        self.session.keep([fingerprint(spec)])
        with self.session.noting():
            self._records.write(spec, *record)
        return record


def _jobs(rows: NDArray[np.float32], boxes: tuple[Floats, ...]) -> Iterator[Job]:
    for start in range(0, len(rows), MAPS_A_JOB):
        part = slice(start, start + MAPS_A_JOB)
        yield rows[part], boxes[part]
