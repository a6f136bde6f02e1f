"""Curves are the numbers that were measured along a training, as CSV and as a plot."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .writing import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE, PLOT = "curves.csv", "curves.png"
STEP = "step"
Row = dict[str, float]
_ACROSS = 3  # panels of a plot side by side
_TITLES = {
    "inside": "share of patches in the box",
    "pib_cls": "Point-in-Box by score to CLS",
    "pib_pooled": "Point-in-Box by score to the pooled vector",
    "pib_votes": "Point-in-Box by votes",
    "norm_max": "longest patch of an image",
    "norm_q99": "0.99 quantile of norms",
}


class Curves:
    """Curves are kept in a CSV file, which is written anew with every row.

    rows: what was measured, in the order of the steps; each has its "step".
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.rows = read_rows(self._path)

    def rewind(self, step: int) -> None:
        """Forget rows after a step, which were measured after the checkpoint and will be again."""
        self.rows = [row for row in self.rows if row[STEP] <= step]

    def has(self, step: int) -> bool:
        """Tell whether a step was measured."""
        return any(row[STEP] == step for row in self.rows)

    def add(self, step: int, values: Mapping[str, float]) -> Row:
        """Add what was measured after a step to the file and return it as a row.

        Raises A2pipeError if the file cannot be written.
        """
        row = {STEP: step, **values}
        self.rows.append(row)
        write_file(self._path, csv_bytes(self.rows))
        return row


def csv_bytes(rows: Sequence[Mapping[str, float | str]]) -> bytes:
    """Return rows as CSV, with the columns of all; numbers read back to the same bits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV file of numbers; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [_numbers(row) for row in csv.DictReader(file)]


def _numbers(row: Mapping[str, str]) -> Row:
    return {name: int(text) if name == STEP else float(text) for name, text in row.items() if text}


def plot_bytes(runs: Mapping[str, Sequence[Row]]) -> bytes:
    """Return a PNG with a panel for each number that was measured, and in it a line for each run.

    runs: the rows of each by its name; the legend shows names if there are several.
    """
    from ..reports.drawing import png

    names = [name for rows in runs.values() for row in rows for name in row if name != STEP]
    return png(_figure(runs, list(dict.fromkeys(names))), cropped=False, dpi=100)


def _figure(runs: Mapping[str, Sequence[Row]], names: Sequence[str]) -> Figure:
    from matplotlib.figure import Figure

    from ..reports.drawing import MUTED
    from ..reports.localization.axes import tidy
    from ..reports.localization.panels import style_of

    down = max(1, math.ceil(len(names) / _ACROSS))
    legend = 0.2 * math.ceil(len(runs) / _ACROSS) if len(runs) > 1 else 0
    height = 2.6 * down + legend + 0.3
    figure = Figure((4 * _ACROSS, height))
    # matplotlib's own layouts draw everything several times over.
    figure.subplots_adjust(
        0.05, (legend + 0.5) / height, 0.99, 1 - 0.3 / height, wspace=0.15, hspace=0.45
    )
    panels = figure.subplots(down, _ACROSS, squeeze=False).flat
    for axes, name in zip(panels, names, strict=False):
        for number, (label, rows) in enumerate(runs.items()):
            points = [(row[STEP], row[name]) for row in rows if name in row]
            line = zip(*points, strict=True) if points else ([], [])
            axes.plot(*line, markersize=3.5, linewidth=1.3, **style_of(number, label))
        axes.set_title(_title(name), fontsize=9)
        axes.set_xlabel("step", fontsize=8, color=MUTED)
        # Ticks such as +5.656 above the axis would lie on the title.
        axes.ticklabel_format(axis="y", useOffset=False)
        tidy(axes)
    if legend:
        entries = figure.axes[0].get_legend_handles_labels()
        figure.legend(*entries, loc="lower center", ncols=_ACROSS, fontsize=7, frameon=False)
    for axes in figure.axes[len(names) :]:
        axes.set_visible(False)
    return figure


def _title(name: str) -> str:
    """Return a column's name in words, such as "accuracy, highest 50 % masked"."""
    if name in _TITLES:
        return _TITLES[name]
    first, *rest = name.split("_")
    return f"accuracy, {rest[0]} {rest[1]} % masked" if len(rest) > 1 else " ".join([first, *rest])
