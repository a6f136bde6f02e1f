"""A matrix holds what an experiment found: cross-model scores, localisation, record of the run.

It is plain frozen data that `matrix.json` holds and the tables, the plots and the page show.
Accuracies, attention mass and hit rates are shares in [0, 1], which are shown in per cent. NaN
means that a number is not defined, such as the accuracy of a group without images.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from ..errors import A2pipeError
from ..metrics.groups import GroupAccuracy
from .json_file import FloatOrNaN, JsonFile

Kind = Literal["attention", "combination", "control", "baseline"]
Metric = Literal["accuracy", "wga", "worst_class"]
Interval = tuple[FloatOrNaN, FloatOrNaN]


def _accuracy_from_null(value: Any) -> Any:
    """Return the values of a group with NaN for an accuracy that is null, as it has no images."""
    empty = isinstance(value, dict) and value.get("accuracy", 0) is None
    return {**value, "accuracy": math.nan} if empty else value


# Its class stands in metrics/, which knows nothing of files, and so has no `FloatOrNaN`.
Group = Annotated[GroupAccuracy, BeforeValidator(_accuracy_from_null)]


@dataclass(frozen=True)
class Row:
    """A Row is one row of a matrix: what chose the boxes.

    key: the name by which cells and localisations refer to the row.
    label: what people read; where two labels are equal, the tables add crops and smoothing.
    kind: an attention model, a combination of several rows, a control (an attention model with
        random weights), or a baseline without attention.
    attention: the name of the attention model, "" for a baseline.
    crops: the sides of the boxes in pixels of the resized image, in the order of selection.
    smooth: the side of the mean filter over the patch grid, 1 for none.
    baseline: "full", "full@518", "center:128", "random", ... or "".
    source: what the map is made of by which boxes were placed, "attention" or a statistic of
        patches such as "votes:49"; "" without a map, and in files of versions that knew no other.
    """

    key: str
    label: str
    kind: Kind
    attention: str = ""
    crops: tuple[int, ...] = ()
    smooth: int = 1
    baseline: str = ""
    source: str = ""


@dataclass(frozen=True)
class Cell:
    """A Cell is what one head scored on the embeddings that one model made of one row's boxes.

    row: the key of the row.
    column: the embedding model and its pool, one of the matrix's columns.
    head: the name of the head.
    n_train, n_test: the samples on which it was fitted and tested.
    n_left_out: the samples that were left out, as their images could not be read.
    accuracy: over all test samples, in [0, 1].
    wga: the accuracy of the worst group that has test images, in [0, 1].
    worst_group: the name of that group.
    groups: the accuracy of every group.
    record: the fingerprint of the stored result, which holds the predictions.
    worst_class: the accuracy of the worst class, in [0, 1].
    classes: the accuracy of every class.
    accuracy_interval, wga_interval, worst_class_interval: 95 % confidence intervals, low and high
        in [0, 1]; None if they were not computed.
    measures: further measures by name: balanced_accuracy, adjusted_accuracy, macro_f1, ece.
    """

    row: str
    column: str
    head: str
    n_train: int
    n_test: int
    n_left_out: int
    accuracy: FloatOrNaN
    wga: FloatOrNaN
    worst_group: str
    groups: tuple[Group, ...] = ()
    record: str = ""
    worst_class: FloatOrNaN = math.nan
    classes: tuple[Group, ...] = ()
    accuracy_interval: Interval | None = None
    wga_interval: Interval | None = None
    worst_class_interval: Interval | None = None
    measures: dict[str, FloatOrNaN] = field(default_factory=dict)


@dataclass(frozen=True)
class Localization:
    """A Localization says how well attention and boxes of a row agree with the ground-truth boxes.

    row: the key of the row.
    n: the images that were measured.
    mass: the share of the attention inside the ground truth, as a mean over images.
    hit: the share of images whose attention peaks inside the ground truth.
    crop_hit: the share of images whose boxes cover at least half of it; None without boxes.
    """

    row: str
    n: int
    mass: FloatOrNaN
    hit: FloatOrNaN
    crop_hit: FloatOrNaN | None = None

    @property
    def shares(self) -> tuple[float, float, float | None]:
        """Return the mass, hit rate and crop hit rate, in [0, 1], in the order of tables."""
        return self.mass, self.hit, self.crop_hit


@dataclass(frozen=True)
class Matrix:
    """A Matrix holds the scores of an experiment: what chose the boxes against what embedded them.

    name: of the experiment.
    dataset: its name.
    collection: the digest of images, labels, groups and splits.
    created: the moment in ISO 8601.
    version: of the package.
    class_names, group_names: in the order of their indices.
    rows: what chose the boxes.
    columns: the embedding models, with the pool after ", " unless it is the CLS token.
    heads: the names of the heads.
    cells: the scores; a cell that was not computed is absent.
    localization: of the rows that were compared with ground truth.
    notes: paragraphs that a reader must see before any number.
    run: versions, device, host, command, seconds per stage, forward passes and bad images.
    metrics: what tables show of each cell.

    Raises A2pipeError when cells or localisations name rows, columns or heads that are not listed,
    when one is given twice, or when a share lies outside [0, 1].
    """

    name: str
    dataset: str
    collection: str
    created: str
    version: str
    class_names: tuple[str, ...]
    group_names: tuple[str, ...]
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    heads: tuple[str, ...]
    cells: tuple[Cell, ...]
    localization: tuple[Localization, ...] = ()
    notes: tuple[str, ...] = ()
    run: dict[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ("accuracy", "wga")

    def __post_init__(self) -> None:
        _check(self)

    def cell(self, row: str, column: str, head: str) -> Cell | None:
        """Return the cell of a row's key, an embedding model and a head, or None."""
        wanted = (row, column, head)
        return next((each for each in self.cells if address(each) == wanted), None)

    def localization_of(self, row: str) -> Localization | None:
        """Return the localisation of the row with this key, or None if there is none."""
        return next((each for each in self.localization if each.row == row), None)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as they stand in the file."""
        return MATRIX_FILE.content(self)

    @classmethod
    def from_json(cls, content: Any) -> Matrix:
        """Return the matrix that `to_json` made these values of; raise A2pipeError if none did."""
        return MATRIX_FILE.parse(content, "matrix")


MATRIX_FILE = JsonFile(
    Matrix, 1, "", "is not an a2pipe matrix: it has no format number", "write the report again"
)


def read_matrix(path: Path) -> Matrix:
    """Return the matrix in a `matrix.json`. Raises A2pipeError if it is missing or is none."""
    return MATRIX_FILE.read(path)


@dataclass(frozen=True, eq=False)
class GalleryItem:
    """A GalleryItem is one test image with what the attention chose and what the head said of it.

    image: the resized image, uint8 (S, S, 3).
    attention: the map by which crops were placed, (S, S), with the sum 1.
    boxes: the crops, int32 (k, 4): x0, y0, x1, y1 in pixels of the image, half-open.
    truth: the ground-truth boxes, (k, 4), likewise.
    label, predicted: the names of its class and of the class that the head gave.
    group: one of the matrix's group names.
    name: of the image.
    shows: what the map is made of, in words.
    """

    image: NDArray[np.uint8]
    attention: NDArray[np.floating[Any]]
    boxes: NDArray[np.int32]
    truth: NDArray[Any]
    label: str
    predicted: str
    group: str
    name: str
    shows: str = "attention"

    @property
    def right(self) -> bool:
        """Return whether the head gave the class of the image."""
        return self.label == self.predicted


def model_of(column: str) -> str:
    """Return the embedding model of a column: "dinov2_vits14" of "dinov2_vits14, cls+mean".

    A column of the CLS token alone is called by its model. No name of a model has a comma and a
    space in it.
    """
    return column.partition(", ")[0]


def address(cell: Cell) -> tuple[str, str, str]:
    """Return the row's key, the embedding model and the head, which identify a cell."""
    return cell.row, cell.column, cell.head


def _check(matrix: Matrix) -> None:
    keys = [row.key for row in matrix.rows]
    for place in matrix.localization:
        _check_known(matrix, "row", place.row, keys)
    for cell in matrix.cells:
        _check_known(matrix, "row", cell.row, keys)
        _check_known(matrix, "column", cell.column, matrix.columns)
        _check_known(matrix, "head", cell.head, matrix.heads)
        _check_shares(matrix, cell)
    _check_once(matrix, "row", keys)
    _check_once(matrix, "cell", map(address, matrix.cells))
    _check_once(matrix, "localisation", (each.row for each in matrix.localization))


def _check_known(matrix: Matrix, what: str, used: str, known: Sequence[str]) -> None:
    if used not in known:
        raise A2pipeError(f"Matrix '{matrix.name}' lists no {what} '{used}' but uses it.")


def _check_once(matrix: Matrix, what: str, items: Iterable[Any]) -> None:
    twice = [each for each, count in Counter(items).items() if count > 1]
    if twice:
        raise A2pipeError(f"Matrix '{matrix.name}' has the {what} {twice[0]!r} more than once.")


def _check_shares(matrix: Matrix, cell: Cell) -> None:
    parts = (part.accuracy for part in (*cell.groups, *cell.classes))
    intervals = (cell.accuracy_interval, cell.wga_interval, cell.worst_class_interval)
    limits = (limit for interval in intervals for limit in interval or ())
    for value in (cell.accuracy, cell.wga, cell.worst_class, *parts, *limits):
        if not (math.isnan(value) or 0 <= value <= 1):
            where = " / ".join(address(cell))
            raise A2pipeError(
                f"Matrix '{matrix.name}', cell {where}: {value} is no share between 0 and 1."
            )
