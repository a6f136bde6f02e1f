"""Run a preset on each dataset whose folder is given, and write what it found."""

import datetime
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..cache.catalog import Cache
from ..datasets.collection import Collection
from ..datasets.registry import facts_of
from ..pipeline.experiment.schema import Experiment
from ..pipeline.planning.collection import load_collection
from ..pipeline.results.matrix import build_matrix
from ..pipeline.results.report import ABOUT_GALLERY, gallery
from ..pipeline.results.study import make_study
from ..pipeline.session import Session, open_session
from ..pipeline.shards.progress import Progress
from ..reports.localization.study import Line, Study
from ..reports.localization.write import write_study
from ..reports.matrix import GalleryItem, Matrix, address
from ..reports.write import write_files, write_report
from ..version import __version__
from .cells import PaperCell, PaperHead, PaperMap, Target
from .crop_choice import METRICS, choice_words, choices, fitted_on_validation
from .crop_figure import crop_pictures
from .crops import FILE as CROPS
from .crops import CropPictures, crops_bytes
from .experiments import PresetExperiment
from .layout import layout, layout_csv, layout_markdown
from .presets import Preset
from .results import FILE, ROLES, Measured, PaperResult, result_json, warnings
from .results import values as values_of
from .settings import (
    Settings,
    chosen_datasets,
    dataset_experiment,
    experiments,
    targets_of,
    used_replacements,
)
from .values import Found, of_cells, of_counts, of_crops, of_map, source_of

CROP_COUNT = 5
"""This table is about the number of crops; figure 16 shows examples of it."""


@dataclass
class Findings:
    """Findings are what the experiments of a preset have found so far on one dataset.

    collection: its samples. cells, maps: what stands in the place of each of the paper's cells and
    attention maps. matrices, studies: one an experiment. shown: the gallery of the first matrix.
    pictures: crops for figure 16, for the table it belongs to. notes: sentences for the reader.
    """

    collection: Collection
    cells: dict[PaperCell, Found] = field(default_factory=dict)
    maps: dict[PaperMap, Line] = field(default_factory=dict)
    matrices: list[Matrix] = field(default_factory=list)
    studies: list[Study] = field(default_factory=list)
    shown: list[GalleryItem] = field(default_factory=list)
    pictures: CropPictures | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Finished:
    """A Finished is a preset that was run on one dataset.

    result: its numbers, for `paper.json`. matrix: all matrices as one; None if there is none.
    found: what else its report shows.
    """

    result: PaperResult
    matrix: Matrix | None
    found: Findings


def run_preset(
    preset: Preset, settings: Settings, cache: Path | str | None, progress: Progress
) -> Iterator[Finished]:
    """Run the preset on every dataset that is asked for, and yield each when it is finished.

    cache: folder of the cache; `$A2PIPE_CACHE` or the user's cache folder if None.

    Raises:
        UsageError: as `chosen_datasets`, `load_experiment` and `load_collection` do, before
            anything is computed.
        BadImagesError: some images are bad and `run.skip_bad_images` is off.
    """
    datasets = chosen_datasets(preset, settings)
    planned = {name: experiments(preset, name, settings) for name in datasets}
    for name in preset.datasets:
        if name not in datasets:
            progress.say(f"{preset.id}: not run on {name}, whose folder is not given")
    store = Cache(Path(cache)) if cache else Cache()
    # All are loaded before the first is run, lest the last one's option be refused after hours.
    collections = {
        name: load_collection(dataset_experiment(name, settings), cache=store.root)
        for name in datasets
    }
    for name in datasets:
        found = Findings(collections[name])
        yield _run(preset, name, planned[name], settings, store, found, progress)


def _run(
    preset: Preset,
    dataset: str,
    planned: list[tuple[PresetExperiment, Experiment]],
    settings: Settings,
    cache: Cache,
    found: Findings,
    progress: Progress,
) -> Finished:
    for each, experiment in planned:
        progress.say(f"{preset.id} on {dataset}: {experiment.name}")
        session = open_session(experiment, cache.root, progress, collection=found.collection)
        if each.kind == "study":
            _add_study(found, dataset, make_study(session))
        else:
            _add_matrix(found, preset, dataset, session)

    result = _result(preset, dataset, settings, found)
    name = f"{preset.id}-{dataset}"
    matrix = merged(found.matrices, name, warnings([result])) if found.matrices else None
    return Finished(result, matrix, found)


def _add_study(found: Findings, dataset: str, study: Study) -> None:
    found.studies.append(study)
    for line in study.lines:
        found.maps[PaperMap(dataset, study.split, line.model, line.heads)] = line


def _add_matrix(found: Findings, preset: Preset, dataset: str, session: Session) -> None:
    run = build_matrix(session)
    found.matrices.append(run.matrix)
    heads = {head.label: head for head in _heads(session.experiment)}
    for cell in run.cells:
        place = PaperCell(dataset, source_of(cell.row), cell.column, heads[cell.head])
        found.cells[place] = Found(cell, run.collection)
    found.shown = found.shown or gallery(session, run)
    if CROP_COUNT in preset.tables:
        found.pictures = crop_pictures(session, run.collection)
        metrics = [each for each in METRICS if each in preset.metrics]
        seen = fitted_on_validation(session.experiment)
        made = [each for name in metrics for each in choices(run, name) if each.head not in seen]
        found.notes += map(choice_words, made)


def _heads(experiment: Experiment) -> Iterator[PaperHead]:
    """Yield the heads of an experiment in the words of the presets."""
    for head in experiment.head:
        seed = head.label.removeprefix(f"{head.kind} seed ")
        projected = bool(head.parameters.get("projected", False))
        yield PaperHead(head.kind, int(seed) if seed.isdecimal() else -1, projected)


def _result(preset: Preset, dataset: str, settings: Settings, found: Findings) -> PaperResult:
    here = [t for t in targets_of(preset, settings) if t.number.dataset in (dataset, "")]
    runs = [each.run for each in found.matrices] + [each.run for each in found.studies]
    return PaperResult(
        preset=preset.id,
        tables=preset.tables,
        dataset=dataset,
        collection=found.collection.digest,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        version=__version__,
        measured=tuple(_measured(target, found) for target in here),
        replacements=used_replacements(preset, settings),
        notes=(*_miniature(dataset, found.collection, settings), *found.notes),
        run=runs[0] if runs else {},
    )


def _measured(target: Target, found: Findings) -> Measured:
    if target.how == "cells":
        return of_cells(target, found.cells)
    if target.how == "map":
        return of_map(target, found.maps)
    if target.how == "coverage":
        return of_crops(target.number)
    if target.how == "count":
        return of_counts(target.number, found.collection)
    return Measured(target.number.key, math.nan, reason=target.reason)


def _miniature(dataset: str, collection: Collection, settings: Settings) -> Iterator[str]:
    """Say what makes the images or the data smaller than the paper's, a sentence each."""
    for role in ROLES:
        if size := settings.overrides.get(f"{role}.input_size"):
            yield f"miniature: {role} models are given {size} px"
    facts, limit = facts_of(dataset), settings.overrides.get("run.limit")
    if limit:
        yield f"miniature: only {limit} samples of {dataset}"
        return
    for split, counts in facts.counts.items() if facts else ():
        here, published = int((collection.splits == split).sum()), sum(counts.values())
        if counts and here != published:
            yield f"{dataset} has {here:,} {split} samples, where {published:,} were published"


def merged(matrices: Sequence[Matrix], name: str, notes: Sequence[str]) -> Matrix:
    """Return one matrix with the rows, columns, heads and cells of all, each once.

    name, notes: of the result. The first matrix says how and when it was run. Cells that no
    experiment computed are absent.
    """
    first = matrices[0]
    rows = {row.key: row for each in matrices for row in each.rows}
    cells = {address(cell): cell for each in matrices for cell in each.cells}
    places = {place.row: place for each in matrices for place in each.localization}
    return replace(
        first,
        name=name,
        rows=tuple(rows.values()),
        columns=tuple(dict.fromkeys(column for each in matrices for column in each.columns)),
        heads=tuple(dict.fromkeys(head for each in matrices for head in each.heads)),
        cells=tuple(cells.values()),
        localization=tuple(places.values()),
        notes=tuple(notes),
    )


def publish_paper(finished: Finished, folder: Path) -> dict[str, Path]:
    """Write the report, paper.json and each table of the preset, and return paths by file name.

    Raises:
        A2pipeError: the folder cannot be written.
    """
    files: dict[str, Path] = {}
    if finished.matrix is not None:
        files |= write_report(finished.matrix, finished.found.shown, folder, ABOUT_GALLERY)
    for study in finished.found.studies:
        several = len(finished.found.studies) > 1
        files |= write_study(study, folder / study.name if several else folder).files
    return files | write_files(_contents(finished), folder)


def _contents(finished: Finished) -> dict[str, bytes]:
    result = finished.result
    contents = {FILE: result_json(result).encode()}
    ours, notes = values_of([result]), warnings([result])
    for table in result.tables:
        shown = layout(table, result.replacements, result.dataset)
        if shown.lines:
            contents[f"table-{table}.csv"] = layout_csv(shown, ours).encode()
            contents[f"table-{table}.md"] = layout_markdown(shown, ours, notes).encode()
    if finished.found.pictures is not None:
        contents[CROPS] = crops_bytes(finished.found.pictures)
    return contents
