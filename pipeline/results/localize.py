"""Tell how well maps and crops agree with the boxes of a dataset: from records, else measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ...cache.fingerprint import fingerprint
from ...cache.records import Record, Records
from ...datasets.collection import Collection
from ...errors import UsageError
from ...machine import cores
from ...reports.matrix import Localization
from ...stages.localization import (
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
from ...stages.specs import BoxSpec, CoverageSpec, LocalizeSpec, MapSpec
from ..session import Session
from ..shards.prefetch import prefetch
from .point_in_box import EVALUATIONS, measure_points, point_subjects, sizes_digest

READ_AT_ONCE = 2048
"""The attention rows of so many images are read together. The rows of twice as many may be in
memory, as the next are read while these are measured."""
MAPS_A_JOB = 128
"""A thread measures so many images before it takes the next ones."""

"""A job is attention rows (n, heads, tokens) and, where there are any, boxes of the n images."""


@dataclass(frozen=True)
class Measured:
    """A Measured is a localisation record.

    record: its fingerprint. content: means and counts, by name. arrays: values of the images that
    count, by name of the measure.
    """

    record: str
    content: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class RowLocalization:
    """A RowLocalization is what the matrix shows of one row, and where that was read.

    records: fingerprints, that of its map's record and that of its crops'.
    """

    shown: Localization
    records: tuple[str, str]


def check_split(session: Session) -> None:
    """Refuse a split without images, if the experiment has maps that would be measured on it.

    Raises:
        UsageError: the collection has no readable image in `localize.split`.
    """
    if any(row.map for row in session.plan.rows):
        samples_of(session.collection, session.experiment.localize.split)


def localizations(session: Session, collection: Collection) -> list[RowLocalization]:
    """Return mass, hit rate and crop hit rate of every row that places crops by attention.

    They are measured on pixels if the experiment names this evaluation, else on the first one that
    it names; the rules of Point-in-Box, which give no mass, do not count. collection: the
    session's without its bad images.

    The list is empty if no image of the split has a box to compare with. If the dataset has boxes
    nevertheless, a line of the progress says why.
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
        return _localizations(measurements)
    except NoAnswerError as reason:
        session.progress.say(f"Nothing is localised: {reason}")
        return []


def _localizations(measurements: Measurements) -> list[RowLocalization]:
    session = measurements.session
    named = [e for e in session.experiment.localize.evaluation if e not in EVALUATIONS]
    evaluation = "pixels" if "pixels" in named or not named else named[0]
    found, of_maps = [], dict[MapSpec, tuple[str, dict[str, Any]]]()
    for row in session.plan.rows:
        if row.map is None:
            continue
        if row.map not in of_maps:
            # Rows that differ in their crops share the map. Its values per image are not kept.
            of_map = measurements.of_map(row.map, evaluation)
            of_maps[row.map] = of_map.record, of_map.content
        record, content = of_maps[row.map]
        of_crops = measurements.of_crops(row.boxes)
        values = (content["mass"], content["hit"], of_crops.content.get("crop_hit"))
        shown = Localization(row.key, int(content["n"]), *values)
        found.append(RowLocalization(shown, (record, of_crops.record)))
    return found


class Measurements:
    """Measure localisation on one split of a collection, when it is asked for and has no record.

    session: where attention and boxes are read. collection: the samples, of which the experiment's
    `localize.split` counts. Raises UsageError as `find_subjects` does.
    """

    def __init__(self, session: Session, collection: Collection):
        self.session = session
        self.canvas = session.experiment.image.canvas
        self.split = session.experiment.localize.split
        self.collection = collection
        self.subjects: Subjects = find_subjects(collection, self.split, self.canvas)
        self._pointed: dict[str, Subjects] = {}
        self._records = Records(session.cache.root)

    def on(self, collection: Collection) -> Measurements:
        """Return the measurements on another collection, such as the same without bad images."""
        same = collection is self.collection
        return self if same else Measurements(self.session, collection)

    def say_which_boxes_miss(self) -> None:
        """Say on the progress why no box of the dataset is compared with, or how many images lose
        theirs to the geometry. Nothing is said if it has no boxes, or no image loses them."""
        if self.subjects.boxes:
            reason = lost_boxes(self.subjects, self.canvas)
        else:
            reason = why_no_boxes(self.session.collection, self.collection, self.split, self.canvas)
        if reason:
            self.session.progress.say(reason)

    def of_map(self, attention_map: MapSpec, evaluation: str) -> Measured:
        """Return localisation, token shares and concentration of one map.

        evaluation: "pixels", "patch-centre" or "patch-overlap"; or "point-in-box" or "centre", of
            which the measures are Point-in-Box and the share of patches inside.

        Raises:
            NoAnswerError: no image has an answer to every measure.
            NotCachedError, DamagedError: as `Session.read` does.
        """
        digest, sizes = self.collection.digest, sizes_digest(self.collection, evaluation)
        spec = LocalizeSpec(attention_map, self.canvas.side, digest, self.split, evaluation, sizes)
        return Measured(fingerprint(spec), *(self._records.read(spec) or self._measure_map(spec)))

    def subjects_of(self, evaluation: str) -> Subjects:
        """Return the images that an evaluation is taken on, and the boxes it compares with.

        Raises NoAnswerError if there is no such image.
        """
        if evaluation not in EVALUATIONS:
            return self.subjects
        if evaluation not in self._pointed:
            found = point_subjects(self.collection, self.split, self.canvas, evaluation)
            self._pointed[evaluation] = found
        return self._pointed[evaluation]

    def of_crops(self, crops: tuple[BoxSpec, ...]) -> Measured:
        """Return coverage and hit of a list of crops. Raises as `of_map` does."""
        spec = CoverageSpec(crops, self.canvas.side, self.collection.digest, self.split)
        return Measured(fingerprint(spec), *(self._records.read(spec) or self._measure_crops(spec)))

    def _measure_map(self, spec: LocalizeSpec) -> Record:
        workers = self.session.experiment.run.workers or cores()
        # The threads are the parallelism; a BLAS that started its own in each would slow them down.
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(workers, "localize") as pool,
            closing(prefetch(self._jobs(spec), pool, ahead=1)) as parts,
        ):
            values = joined([part for _, found in parts for part in found])
        return self._write(spec, values, self.subjects_of(spec.evaluation))

    def _jobs(self, spec: LocalizeSpec) -> Iterator[tuple[None, list[Callable[[], Values]]]]:
        """Yield the jobs that measure a map, for as many images as are read at once."""
        subjects, attention = self.subjects_of(spec.evaluation), spec.map.attention
        images, boxes = subjects.images, subjects.boxes
        measure = measure_points if spec.evaluation in EVALUATIONS else measure_maps
        prefix = self.session.plan.backbones[attention.model.name].prefix_tokens
        for start in range(0, len(images), READ_AT_ONCE):
            part = slice(start, start + READ_AT_ONCE)
            rows, around = self.session.read(attention, list(images[part])), boxes[part]
            cuts = [slice(at, at + MAPS_A_JOB) for at in range(0, len(rows), MAPS_A_JOB)]
            yield None, [partial(measure, spec, rows[c], prefix, around[c]) for c in cuts]

    def _measure_crops(self, spec: CoverageSpec) -> Record:
        images = list(self.subjects.images)
        crops = np.stack([self.session.read(box, images) for box in spec.crops])
        values = measure_crops(crops, self.subjects, self.canvas.side)
        return self._write(spec, values, self.subjects)

    def _write(
        self, spec: LocalizeSpec | CoverageSpec, values: Values, subjects: Subjects
    ) -> Record:
        record = summarize(values, subjects)
        self.session.keep([fingerprint(spec)])  # before it is there, lest `gc` frees it
        with self.session.noting():
            self._records.write(spec, *record)
        return record
