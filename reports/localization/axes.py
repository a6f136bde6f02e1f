"""Draw axes, titles and legend of the plots of localisation studies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..drawing import INK, MUTED, RULE
from ..labels import wrapped
from .study import Line, Study, way_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONTROL, STAR = "random weights (control)", "last block"
_PANEL = 4.4, 2.7  # inches
_SPAN = 6.0  # least ratio of the ends of an axis of parameters, so that two ticks stand on it
_TICKS = 8  # most ticks at chosen blocks
_LEGEND = 60  # characters of a name in the legend
_LEGEND_HEIGHT = 0.5  # inches that the figure has for a legend
_TITLES = {
    "mass": "mass in box, %",
    "hit": "hit rate, %",
    "point_in_box": "Point-in-Box, %",
    "entropy": "normalised entropy",
    "top10": "top 10 % of cells hold, %",
    "top25": "top 25 % of cells hold, %",
}


def figure_of(studies: Sequence[Study], names: Sequence[str]) -> tuple[Figure, Any]:
    """Return a figure with a panel for each measure (down) and study (across), and the panels."""
    from matplotlib.figure import Figure

    size = _PANEL[0] * len(studies) + 0.5, _PANEL[1] * len(names) + 0.8
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(names), len(studies), squeeze=False, sharex="col", sharey="row")
    for panel, study in zip(panels[0], studies, strict=True):
        panel.set_title(title_of(study), fontsize=9, color=INK, parse_math=False)
    for row, name in zip(panels, names, strict=True):
        row[0].set_ylabel(_TITLES[name], fontsize=9, color=MUTED)
        for panel in row:
            tidy(panel)
    return figure, panels


def title_of(study: Study, width: int = 58) -> str:
    """Return dataset, split, images and the way of reading attention, in lines of `width`
    characters."""
    first = study.lines[0]
    about = f"{study.dataset}, {study.split}, n = {first.n:,}"
    return f"{wrapped(about, width)}\n{wrapped(way_words(first), width)}"


def tidy(panel: Axes) -> None:
    """Leave a panel its left and lower edge, small ticks and faint lines across."""
    panel.tick_params(labelsize=8, length=2.5, colors=MUTED)
    panel.grid(axis="y", color=RULE, linewidth=0.7)
    panel.set_axisbelow(True)
    for side, spine in panel.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)


def label_millions(panels: Sequence[Axes]) -> None:
    """Give panels a logarithmic axis of millions of parameters."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for panel in panels:
        panel.set_xscale("log")
        low, high = panel.get_xlim()
        if high < _SPAN * low:
            middle = (low * high) ** 0.5
            panel.set_xlim(middle / _SPAN**0.5, middle * _SPAN**0.5)
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: millions(value)))
        panel.set_xlabel("parameters", fontsize=9, color=MUTED)


def millions(value: float) -> str:
    """Return millions of parameters in a few characters, such as 500k, 22M or 1.1B."""
    if value < 1:
        return f"{1000 * value:.3g}k"
    return f"{value:.3g}M" if value < 1000 else f"{value / 1000:.2g}B"


def label_blocks(panel: Axes, lines: Iterable[Line]) -> None:
    """Give a panel an axis of whole blocks, with ticks at measured blocks if some were left out."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    blocks = sorted({line.block for line in lines})
    ticks = FixedLocator(blocks, nbins=_TICKS) if gaps(blocks) else MaxNLocator(integer=True)
    panel.xaxis.set_major_locator(ticks)
    panel.set_xlabel("block", fontsize=9, color=MUTED)


def gaps(blocks: Sequence[int]) -> bool:
    """Return whether ascending blocks leave some out between them."""
    return bool(blocks) and blocks[-1] - blocks[0] >= len(blocks)


def add_legend(figure: Figure, panels: Any) -> None:
    """Add one legend below all panels, with each name once, and room for it to the figure."""
    found: dict[str, Any] = {}
    for panel in panels.flat:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    for last in (CONTROL, STAR):
        found.update({last: found.pop(last)} if last in found else {})
    columns = max(1, min(len(found), int(figure.get_figwidth() / 2)))
    legend = _legend(figure, found, columns)
    # How wide the names are is known only when they are drawn.
    while columns > 1 and legend.get_window_extent().width > figure.bbox.width:
        legend.remove()
        columns -= 1
        legend = _legend(figure, found, columns)
    # Constrained layout would take what the legend needs beyond this from the panels.
    more = legend.get_window_extent().height / figure.dpi - _LEGEND_HEIGHT
    figure.set_figheight(figure.get_figheight() + max(0, more))


def _legend(figure: Figure, found: dict[str, Any], columns: int) -> Any:
    legend = figure.legend(
        found.values(),
        [wrapped(label, _LEGEND) for label in found],
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        frameon=False,
        labelcolor=INK,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend
