"""Draw heat maps of a matrix as PNG: the metrics side by side, with a row of panels for each head.

The colour map is ColorBrewer's YlGnBu: its lightness falls steadily, so it reads alike with every
kind of colour vision and in grey print.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from ..version import __version__
from .drawing import INK, MUTED, RULE, comment_of, png
from .grid import DAGGER, Entry, Grid, grids, legend
from .labels import shortened
from .matrix import Matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

_CELL = 0.72, 0.36  # inches
_GAP = 0.3  # of a cell's height, between attention rows, controls and baselines
_MAP = "YlGnBu"


def heat_map_png(matrix: Matrix, older: bytes = b"") -> bytes:
    """Return the picture that `heat_map` draws as PNG on white.

    older: a file that this function returned, perhaps for another matrix. It is returned as it is
    if it shows the same, so that a report without news imports no matplotlib.
    """
    shown = _digest(matrix)
    if comment_of(older) == shown:
        return older
    return png(heat_map(matrix), cropped=False, comment=shown)


def _digest(matrix: Matrix) -> str:
    """Return a digest of all that the picture may depend on."""
    lasting = replace(matrix, created="", run={}, notes=())
    parts = (lasting, __version__, version("matplotlib"))
    return f"shows {hashlib.sha256(repr(parts).encode()).hexdigest()}"


def heat_map(matrix: Matrix) -> Figure:
    """Draw a panel for each head and metric on one colour scale, with the marks of `grid`."""
    from matplotlib.figure import Figure

    shown = grids(matrix)
    figure = Figure(figsize=_size(matrix, shown), layout="constrained")
    panels = figure.subplots(
        max(1, len(matrix.heads)), len(matrix.metrics), squeeze=False, sharey=True
    )
    colours = _colours(shown)
    for panel, each in zip(panels.flat, shown, strict=False):
        _draw(panel, each, colours)
    bar = figure.colorbar(colours, ax=panels, shrink=0.9, pad=0.02, aspect=24)
    bar.set_label("per cent", color=MUTED, fontsize=8)
    bar.ax.tick_params(labelsize=8, length=2, colors=MUTED)
    bar.outline.set_visible(False)
    title = shortened("  ·  ".join(dict.fromkeys((matrix.name, matrix.dataset))), 90)
    figure.suptitle(title, fontsize=11, color=INK, parse_math=False)
    marks = legend(shown, intervals=False)
    figure.supxlabel(marks, fontsize=7.5, color=MUTED, parse_math=False, wrap=True)
    return figure


def _size(matrix: Matrix, shown: list[Grid]) -> tuple[float, float]:
    """Return the size in inches that gives room to every cell and label."""
    columns, lines = len(matrix.columns), len(matrix.rows)
    labels = max((len(shortened(line.title)) for line in shown[0].lines), default=0) if shown else 0
    names = max((len(shortened(name, 32)) for name in matrix.columns), default=0)
    panel = max(2.2, columns * _CELL[0])
    below = 0.25 if names <= 8 else 0.15 + 0.062 * names
    height = (lines * _CELL[1] + 0.5 + below) * max(1, len(matrix.heads)) + 0.9
    return 0.07 * labels + len(matrix.metrics) * panel + 1.2, height


def _colours(shown: list[Grid]) -> ScalarMappable:
    """Return the colour map from the lowest to the highest value, rounded outwards to fives."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    entries = [entry for each in shown for line in each.lines for entry in line.entries]
    values = [entry.value for entry in entries if not entry.missing] or [0.0, 100.0]
    low, high = 5 * math.floor(min(values) / 5), 5 * math.ceil(max(values) / 5)
    return ScalarMappable(Normalize(low, max(high, low + 5)), _MAP)


def _draw(panel: Axes, grid: Grid, colours: ScalarMappable) -> None:
    heights = _heights(grid)
    for y, line in zip(heights, grid.lines, strict=True):
        for x, entry in enumerate(line.entries):
            _draw_cell(panel, x, y, entry, colours)
    panel.set_xlim(0, max(1, len(grid.columns)))
    panel.set_ylim((heights[-1] if heights else 0) + 1, 0)
    panel.set_title(
        f"{grid.title}, {shortened(grid.head)}", fontsize=9, color=INK, parse_math=False
    )
    names = [shortened(name, 32) for name in grid.columns]
    _label(panel, names, [y + 0.5 for y in heights], [shortened(line.title) for line in grid.lines])


def _label(panel: Axes, names: list[str], heights: list[float], titles: list[str]) -> None:
    slanted: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    style = slanted if max(map(len, names), default=0) > 8 else {}
    ticks = [x + 0.5 for x in range(len(names))]
    panel.set_xticks(ticks, names, fontsize=8, color=INK, parse_math=False, **style)
    panel.set_yticks(heights, titles, fontsize=8, color=INK, parse_math=False)
    panel.tick_params(length=0, pad=4)
    for spine in panel.spines.values():
        spine.set_visible(False)


def _heights(grid: Grid) -> list[float]:
    """Return the top edge of every line in cells, with a gap before controls and baselines."""
    gaps, tops = 0, []
    for i, line in enumerate(grid.lines):
        gaps += i > 0 and line.opens
        tops.append(i + gaps * _GAP)
    return tops


def _draw_cell(panel: Axes, x: float, y: float, entry: Entry, colours: ScalarMappable) -> None:
    from matplotlib.patches import Rectangle

    face = RULE if entry.missing else colours.to_rgba(np.asarray(entry.value))
    panel.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="white", linewidth=1.2))
    panel.text(
        x + 0.5,
        y + 0.52,
        entry.text + DAGGER * entry.rival,
        ha="center",
        va="center",
        fontsize=8.5,
        fontweight="bold" if entry.best else "normal",
        fontstyle="italic" if entry.diagonal else "normal",
        color=MUTED if entry.missing else _ink_on(face),
    )


def _ink_on(face: Any) -> str:
    """Return black or white: whichever contrasts more with the face by luminance (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in face[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if luminance > 0.179 else "white"
