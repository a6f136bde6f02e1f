"""Make an experiment's localisation study: compute attention, measure every map, write it down."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...datasets.collection import Collection
from ...errors import UsageError
from ...metrics.mean_intervals import Floats, mean_intervals
from ...models.zoo.names import resolve
from ...reports.localization.study import Line, Measure, Study
from ...reports.localization.write import Written, write_study
from ...stages.localization import MEASURES, check_centres
from ...stages.specs import AttentionSpec, MapSpec
from ..experiment.sections import LocalizeSection
from ..planning.rows import PlanRow
from ..session import Session
from ..shards.bad_images import refuse_bad_images
from .localize import Measured, Measurements
from .point_in_box import EVALUATIONS
from .point_in_box import MEASURES as POINTS
from .run_record import RunRecord, study_facts
from .stage_run import compute_stage

VALUES_AT_ONCE = 1 << 24
"""So many values, each of one image, are in memory together, float64: 128 MiB."""


def publish_study(session: Session, folder: Path | None = None) -> tuple[Study, Written]:
    """Make the study, write it with its plots, and return it with the paths of what was written.

    folder: where it is written, results/<name of the experiment> unless given. Raises as
    `make_study` does, and A2pipeError when the folder cannot be written.
    """
    study = make_study(session)
    folder = folder or Path("results") / session.experiment.name
    return study, write_study(study, folder.resolve())


def make_study(session: Session) -> Study:
    """Compute missing attention and boxes, measure every map that has no record, return the study.

    Crops are placed only if the dataset has boxes to compare them with.

    Raises:
        UsageError: no attention model is named, or the dataset has no image in the split.
        A2pipeError: an evaluation at patch centres is asked for and no box covers one; or one by
            Point-in-Box for which no image counts; or no image has finite attention.
        BadImagesError: some images are bad and `run.skip_bad_images` is off.
    """
    experiment = session.experiment
    if not experiment.attention.models:
        raise UsageError("Name at least one attention model with --model.")
    record = RunRecord(images=len(session.collection.images), stats=session.stats)
    measurements = Measurements(session, session.collection)
    _check_evaluations(measurements)
    crops_fit = not experiment.too_large_crop
    by_mass = not set(experiment.localize.evaluation) <= set(EVALUATIONS)
    through = "boxes" if measurements.subjects.boxes and crops_fit and by_mass else "maps"
    record.bad = compute_stage(session, through).bad
    refuse_bad_images(record.bad, experiment.run.skip_bad_images)
    collection = session.usable(record.bad)
    record.samples_left_out = len(session.collection) - len(collection)
    start = time.perf_counter()
    measurements = measurements.on(collection)
    if by_mass:
        measurements.say_which_boxes_miss()
    drafts = _drafts(measurements, with_crops=through == "boxes")
    finished = list(_finished(drafts, experiment.localize))
    record.seconds["localization"] = time.perf_counter() - start
    records = [record for each in finished for record in each.records]
    session.keep(records, through=through, purpose="localize")
    return _study(session, collection, tuple(each.line for each in finished), record)


def _check_evaluations(measurements: Measurements) -> None:
    """Refuse, before anything is computed, an evaluation to which no image has an answer."""
    session = measurements.session
    for evaluation in session.experiment.localize.evaluation:
        measurements.subjects_of(evaluation)
    if "patch-centre" in session.experiment.localize.evaluation:
        sources = [row.map.attention for row in session.plan.rows if row.map]
        grids = {source.model.name: source.input_size for source in sources}
        for model, input_size in grids.items():
            grid = input_size // session.plan.backbones[model].patch
            check_centres(measurements.subjects, measurements.canvas.side, grid, model)


def _study(
    session: Session, collection: Collection, lines: tuple[Line, ...], record: RunRecord
) -> Study:
    section = session.experiment.localize
    return Study(
        **study_facts(session, collection, record),
        resamples=section.resamples,
        level=section.level,
        seed=section.seed,
        lines=lines,
    )


@dataclass(frozen=True)
class _Draft:
    """A draft is a line of the study whose intervals are still to be drawn.

    line: the line without its measures. records: fingerprints of the records behind it. columns:
    name and crops of a measure -> its values, (n,); empty once the line has its measures.
    """

    line: Line
    records: tuple[str, ...]
    columns: dict[tuple[str, tuple[int, ...]], Floats]


def _drafts(measurements: Measurements, with_crops: bool) -> Iterator[_Draft]:
    """Yield a draft for every map and evaluation, in the order of the plan."""
    session = measurements.session
    maps: dict[MapSpec, list[PlanRow]] = {}
    for row in session.plan.rows:
        if row.map is not None:
            maps.setdefault(row.map, []).append(row)
    evaluations = session.experiment.localize.evaluation
    with_crops = with_crops and bool(measurements.subjects.boxes)
    with session.progress.bar("maps", len(maps) * len(evaluations)) as advance:
        for each, rows in maps.items():
            crops = {row.crops: measurements.of_crops(row.boxes) for row in rows if with_crops}
            for evaluation in evaluations:
                of_map = measurements.of_map(each, evaluation)
                line = _line(session, each, rows[0].kind, evaluation, of_map)
                yield _draft(line, of_map, {} if evaluation in EVALUATIONS else crops)
                advance(1)


def _draft(line: Line, of_map: Measured, of_crops: dict[tuple[int, ...], Measured]) -> _Draft:
    columns: dict[tuple[str, tuple[int, ...]], Floats] = {
        (name, ()): of_map.arrays[name] for name in (*MEASURES, *POINTS) if name in of_map.arrays
    }
    hits = {("crop_hit", crops): found.arrays["crop_hit"] for crops, found in of_crops.items()}
    records = (of_map.record, *(found.record for found in of_crops.values()))
    return _Draft(line, records, {**columns, **hits})


def _line(
    session: Session, attention_map: MapSpec, kind: str, evaluation: str, of_map: Measured
) -> Line:
    source = attention_map.attention
    model = source.model.name
    info = session.plan.backbones[model]
    return Line(
        model=model,
        family=resolve(model).family,
        parameters=info.parameters / 1e6,
        kind="control" if kind == "control" else "attention",
        # Statistics are of the patches that the last block gives.
        block=source.block if isinstance(source, AttentionSpec) else info.blocks,
        blocks=info.blocks,
        registers=info.registers,
        patch=info.patch,
        heads=attention_map.heads,
        reading=attention_map.reading,
        smooth=attention_map.smooth,
        evaluation=evaluation,
        n=of_map.content["n"],
        n_left_out=of_map.content["n_left_out"],
        measures=(),
        record=of_map.record,
        source=source.source,
    )


def _finished(drafts: Iterator[_Draft], section: LocalizeSection) -> Iterator[_Draft]:
    """Yield the drafts with measures in place of values; only few lines' values are in memory."""
    held: list[_Draft] = []
    for draft in drafts:
        held.append(draft)
        if sum(len(values) for each in held for values in each.columns.values()) > VALUES_AT_ONCE:
            yield from _measured(held, section)
            held = []
    yield from _measured(held, section)


def _measured(drafts: list[_Draft], section: LocalizeSection) -> Iterator[_Draft]:
    """Yield the drafts with their measures; those over equally many images share every draw."""
    # In one call, so that lines over equally many images are drawn once for all of them.
    bounds = iter(
        mean_intervals(
            [values for draft in drafts for values in draft.columns.values()],
            resamples=section.resamples,
            level=section.level,
            seed=section.seed,
        ).tolist()
    )
    for draft in drafts:
        measures = tuple(
            _measure(name, crops, values, *next(bounds))
            for (name, crops), values in draft.columns.items()
        )
        yield replace(draft, line=replace(draft.line, measures=measures), columns={})


def _measure(name: str, crops: tuple[int, ...], values: Floats, low: float, high: float) -> Measure:
    n, mean = len(values), float(values.mean())
    # One image says nothing of how much images differ.
    spread = (float(values.std(ddof=1)), low, high) if n > 1 else (math.nan, math.nan, math.nan)
    return Measure(name, n, mean, *spread, crops)
