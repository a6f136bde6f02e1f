"""A report has the matrix itself and a gallery of test images under its best cell."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.collection import Collection
from ...reports.matrix import GalleryItem, Matrix
from ...reports.write import write_report
from ...stages.attention import grid_map
from ...stages.fits.samples import grouping
from ...stages.localization import boxes_on_canvas
from ...stages.maps import upsample
from ...stages.pixels import load_canvas
from ..planning.rows import PlanRow
from ..session import Session
from .cells import CellResult
from .matrix import MatrixRun, build_matrix

ABOUT_GALLERY = (
    "Test images under the attention row and embedding model of highest worst-group accuracy, "
    "spread evenly over each group."
)


def publish(
    session: Session, folder: Path | None = None, compute: bool = True
) -> tuple[Matrix, dict[str, Path]]:
    """Build the matrix, write its report, and return it with the path of each file by name.

    folder: where the report goes, results/<name of the experiment> unless given. compute: whether
    missing features are computed. Raises as `build_matrix` does, and A2pipeError where the folder
    cannot be written.
    """
    run = build_matrix(session, compute)
    folder = folder or Path("results") / session.experiment.name
    files = write_report(run.matrix, gallery(session, run), folder.resolve(), ABOUT_GALLERY)
    return run.matrix, files


def gallery(session: Session, run: MatrixRun, each: int = 4) -> list[GalleryItem]:
    """Return up to `each` right and `each` wrong test images of every group.

    They are predicted by the attention cell of highest worst-group accuracy and lie evenly spread
    over the test samples of their group. The list is empty where no row places crops by attention.
    """
    attended = [cell for cell in run.cells if cell.row.kind == "attention"]
    best = max(attended, key=lambda cell: cell.scores.worst_group.accuracy, default=None)
    if best is None:
        return []
    return _items(session, best, run.collection, _chosen(best, run.collection, each))


def attention_maps(
    session: Session, row: PlanRow, images: list[str]
) -> Iterator[NDArray[np.float64]]:
    """Yield for each image the attention by which a row placed its crops, (side, side), sum 1.

    images: digests, whose attention rows are read together. Only one map is in memory at a time,
    as a map takes a hundred times the room of the rows it is made of.

    Raises:
        ValueError: the row places no crop by attention.
    """
    if row.map is None:
        raise ValueError(f"the row {row.key} has no attention map")
    prefix = session.plan.backbones[row.map.attention.model.name].prefix_tokens
    for tokens in session.read(row.map.attention, images):
        yield upsample(grid_map(row.map, tokens[None], prefix), session.experiment.image.size)[0]


def _chosen(cell: CellResult, collection: Collection, each: int) -> list[int]:
    """Return positions among the cell's test samples, spread evenly within group and outcome."""
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
    # One read a spec: a read checks whole shards, so a read an image would hash each many times.
    maps = attention_maps(session, cell.row, images)
    boxes = np.stack([session.read(box, images) for box in cell.row.boxes], axis=1)
    canvas = session.experiment.image.canvas
    groups, names = grouping(collection)
    return [
        GalleryItem(
            image=load_canvas(collection.paths[sample], canvas),
            attention=attention,
            boxes=placed,
            truth=boxes_on_canvas(collection, sample, canvas),
            label=collection.class_names[collection.labels[sample]],
            predicted=collection.class_names[cell.arrays["test_predictions"][position]],
            group=names[groups[sample]],
            name=Path(collection.paths[sample]).name,
            shows=cell.row.map.attention.source_words if cell.row.map else "attention",
        )
        for position, sample, attention, placed in zip(chosen, samples, maps, boxes, strict=True)
    ]
