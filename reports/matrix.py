"""What an experiment found: the cross-model matrix with its localisation table and run record.

Plain frozen data that every renderer of this folder reads and `matrix.json` holds. Accuracies,
attention mass and hit rates are shares in [0, 1]; renderers show them in per cent. NaN means not
defined (a group without images, the mass of a baseline that has no attention).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from ..errors import A2pipeError
from ..metrics.groups import GroupAccuracy
from .json_file import FloatOrNaN, JsonFile

__all__ = [
    "FORMAT",
    "Cell",
    "GalleryItem",
    "GroupAccuracy",
    "Interval",
    "Kind",
    "Localization",
    "Matrix",
    "Metric",
    "Row",
    "address",
    "read_matrix",
]

FORMAT = 1

Kind = Literal["attention", "combination", "control", "baseline"]
Metric = Literal["accuracy", "wga", "worst_class"]
Interval = tuple[FloatOrNaN, FloatOrNaN]


def _accuracy_from_null(value: Any) -> Any:
    """The accuracy of a group without images is NaN, which is null in JSON."""
    empty = isinstance(value, dict) and value.get("accuracy", 0) is None
    return {**value, "accuracy": math.nan} if empty else value


# Its class stands in metrics/, which knows nothing of files, and so has no `FloatOrNaN`.
Group = Annotated[GroupAccuracy, BeforeValidator(_accuracy_from_null)]


@dataclass(frozen=True)
class Row:
    """One source of boxes: an attention model with its crops, a combination, control or baseline.

    key: what cells and localisations refer to.
    label: what people read; where two labels are equal, renderers add crops and smoothing.
    attention: name of the attention model, "" for a baseline.
    crops: sides of the boxes in pixels of the resized image, in the order of selection.
    smooth: side of the mean filter over the patch grid, 1 for none.
    baseline: "full", "full@518", "center:128", "random", ... or "".
    """

    key: str
    label: str
    kind: Kind
    attention: str = ""
    crops: tuple[int, ...] = ()
    smooth: int = 1
    baseline: str = ""


@dataclass(frozen=True)
class Cell:
    """One head, fitted and tested on the embeddings one model made of one row's boxes.

    row: key of the row. column: name of the embedding model. head: name of the head.
    n_left_out: images left out because they could not be read.
    accuracy, wga, worst_class: over all test images, and of the worst group and class that have
        any; in [0, 1].
    record: fingerprint of the stored result with its predictions.
    measures: further measures by name: balanced_accuracy, adjusted_accuracy, macro_f1, ece.
    accuracy_interval, wga_interval, worst_class_interval: 95 % confidence intervals, low and high
        in [0, 1]; None if they were not computed.
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
    """How well a row's attention and boxes agree with the ground truth, as means over n images.

    mass: share of the attention inside the ground truth. hit: share of images whose attention peaks
    inside it. crop_hit: share whose boxes cover at least half of it; None without boxes.
    """

    row: str
    n: int
    mass: FloatOrNaN
    hit: FloatOrNaN
    crop_hit: FloatOrNaN | None = None

    @property
    def shares(self) -> tuple[float, float, float | None]:
        """The mass, hit rate and crop hit rate, in [0, 1], in the order of tables."""
        return self.mass, self.hit, self.crop_hit


@dataclass(frozen=True)
class Matrix:
    """Attention models (and baselines) x embedding models; cells that were not computed are absent.

    collection: digest of images, labels, groups and splits. created: ISO 8601.
    version: of the package. notes: paragraphs a reader must see before any number.
    run: versions, device, host, command, seconds per stage, forward passes, bad images.
    metrics: what renderers show of each cell.
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
        """The cell at (row key, embedding model, head), or None if it was not computed."""
        wanted = (row, column, head)
        return next((each for each in self.cells if address(each) == wanted), None)

    def localization_of(self, row: str) -> Localization | None:
        """The localisation of the row with this key, or None."""
        return next((each for each in self.localization if each.row == row), None)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` of them equals this matrix."""
        return MATRIX_FILE.content(self)

    @classmethod
    def from_json(cls, data: Any) -> Matrix:
        """The matrix of `to_json`. Raises A2pipeError for a newer format or a broken record."""
        return MATRIX_FILE.parse(data, "matrix")


MATRIX_FILE = JsonFile(
    Matrix, FORMAT, "", "is not an a2pipe matrix: it has no format number", "write the report again"
)


def read_matrix(path: Path) -> Matrix:
    """The matrix in a `matrix.json`. Raises A2pipeError when it is missing or is not one."""
    return MATRIX_FILE.read(path)


@dataclass(frozen=True, eq=False)
class GalleryItem:
    """One test image with what the attention chose and what the head said of it.

    image: uint8 (S, S, 3), the resized image. attention: (S, S), sum 1.
    boxes: int32 (k, 4), the crops; truth: (k, 4), the ground truth; both x0, y0, x1, y1, half-open.
    label, predicted: class names. group: one of the matrix's group names. name: of the image.
    """

    image: NDArray[np.uint8]
    attention: NDArray[np.floating[Any]]
    boxes: NDArray[np.int32]
    truth: NDArray[Any]
    label: str
    predicted: str
    group: str
    name: str

    @property
    def right(self) -> bool:
        """Whether the head named the class."""
        return self.label == self.predicted


def address(cell: Cell) -> tuple[str, str, str]:
    """Row key, embedding model and head: what identifies a cell within its matrix."""
    return cell.row, cell.column, cell.head


def _check(matrix: Matrix) -> None:
    keys = [row.key for row in matrix.rows]
    _check_known(matrix, "row", (each.row for each in matrix.cells), keys)
    _check_known(matrix, "row", (each.row for each in matrix.localization), keys)
    _check_known(matrix, "column", (each.column for each in matrix.cells), matrix.columns)
    _check_known(matrix, "head", (each.head for each in matrix.cells), matrix.heads)
    _check_once(matrix, "row", keys)
    _check_once(matrix, "cell", map(address, matrix.cells))
    _check_once(matrix, "localisation", (each.row for each in matrix.localization))
    for cell in matrix.cells:
        _check_shares(matrix, cell)


def _check_known(matrix: Matrix, what: str, used: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(used) - set(known))
    if unknown:
        raise A2pipeError(f"Matrix '{matrix.name}' lists no {what} '{unknown[0]}' but uses it.")


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
