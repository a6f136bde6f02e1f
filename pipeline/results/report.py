"""Images for the report: for each group a few that the head got right and a few it got wrong."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.collection import Collection
from ...reports.results import GalleryItem
from ...stages.cuts import load_canvas
from ...stages.fits.samples import grouping
from ...stages.localization import boxes_on_canvas
from ...stages.placement import attention_map
from ..planning.rows import PlanRow
from ..session import Session
from .cells import CellResult
from .matrix import MatrixRun


def gallery(session: Session, run: MatrixRun, each: int = 4) -> list[GalleryItem]:
    """Up to `each` right and `each` wrong test images a group, under the best attention cell."""
    best = _best_cell(run.cells)
    if best is None:
        return []
    chosen = _chosen(best, run.collection, each)
    return _items(session, best, run.collection, chosen)


def _best_cell(cells: tuple[CellResult, ...]) -> CellResult | None:
    """The attention cell of highest worst-group accuracy."""
    candidates = [cell for cell in cells if cell.row.kind == "attention"]
    return max(candidates, key=lambda cell: cell.scores.worst_group.accuracy, default=None)


def _chosen(cell: CellResult, collection: Collection, each: int) -> list[int]:
    """Positions among the cell's test samples, spread evenly within group and outcome."""
    test = cell.arrays["test_index"]
    right = cell.arrays["test_predictions"] == collection.labels[test]
    groups = grouping(collection)[0][test]
    chosen: list[int] = []
    for group, outcome in itertools.product(np.unique(groups[groups >= 0]), (True, False)):
        found = np.flatnonzero((groups == group) & (right == outcome))
        spread = np.linspace(0, len(found) - 1, min(each, len(found))).round().astype(int)
        chosen += [int(position) for position in found[spread]]
    return chosen


def _items(
    session: Session, cell: CellResult, collection: Collection, chosen: list[int]
) -> list[GalleryItem]:
    samples = [int(cell.arrays["test_index"][position]) for position in chosen]
    images = [collection.digests[sample] for sample in samples]
    maps = row_maps(session, cell.row, images)
    boxes = np.stack([session.read(box, images) for box in cell.row.boxes], axis=1)
    canvas = session.experiment.image.canvas
    groups, names = grouping(collection)
    return [
        GalleryItem(
            image=load_canvas(collection.paths[sample], canvas),
            attention=maps[index],
            boxes=boxes[index],
            truth=boxes_on_canvas(collection, sample, canvas),
            label=collection.class_names[collection.labels[sample]],
            predicted=collection.class_names[cell.arrays["test_predictions"][position]],
            group=names[groups[sample]],
            name=Path(collection.paths[sample]).name,
        )
        for index, (position, sample) in enumerate(zip(chosen, samples, strict=True))
    ]


def row_maps(session: Session, row: PlanRow, images: list[str]) -> NDArray[np.float64]:
    """The attention that the boxes of a row were placed on, over the canvas: (n, side, side)."""
    if row.map is None:
        raise ValueError(f"the row {row.key} has no attention map")
    rows = session.read(row.map.attention, images)
    prefix = session.plan.backbones[row.map.attention.model.name].prefix_tokens
    return attention_map(row.map, rows, prefix, session.experiment.image.size)
