"""Draw how norms and scores of patches are distributed, a panel for each model and statistic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...metrics.patches.distribution import Distribution
from ...metrics.patches.foreground import ALL, BACKGROUND, FOREGROUND
from ..drawing import INK, MUTED, RULE
from ..labels import wrapped
from .study import PatchLine, PatchStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = 4.3, 3.0  # inches
_MOST_ACROSS = 3
_COLOURS = {ALL: "#59636e", FOREGROUND: "#D55E00", BACKGROUND: "#0072B2"}
_AREA = "#d9dce1"
_DASHES = {ALL: "-", FOREGROUND: "-", BACKGROUND: "--"}
_WORDS = {"norm": "norm after the final norm", "norm:before": "norm before the final norm"}


def norms(study: PatchStudy) -> Figure | None:
    """Draw the histograms of norms on a logarithmic axis; None if there is no norm."""
    lines = [line for line in study.lines if line.is_norm]
    return _figure(study, lines, "density") if lines else None


def scores(study: PatchStudy) -> Figure | None:
    """Draw the smoothed densities of scores, brought to [0, 1]; None if there is no score."""
    lines = [line for line in study.lines if not line.is_norm]
    return _figure(study, lines, "density") if lines else None


def statistic_words(statistic: str) -> str:
    """Return a statistic in the words of an axis."""
    return _WORDS.get(statistic, f"{statistic}, brought to [0, 1] in each image")


def _figure(study: PatchStudy, lines: Sequence[PatchLine], y: str) -> Figure:
    from matplotlib.figure import Figure

    # A model's statistics stand side by side, if all models have equally many.
    kinds = len({line.statistic for line in lines})
    across = kinds if 1 < kinds <= _MOST_ACROSS else min(len(lines), _MOST_ACROSS)
    down = -(-len(lines) // across)
    # A single narrow panel would have no room for the title.
    size = max(_PANEL[0] * across, 5.2), _PANEL[1] * down + 0.9
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(_title(study), fontsize=9, color=INK, parse_math=False)
    panels = figure.subplots(down, across, squeeze=False)
    for panel in panels.flat[len(lines) :]:
        panel.set_axis_off()
    for place, (line, panel) in enumerate(zip(lines, panels.flat, strict=False)):
        _draw(panel, line, study.cut)
        panel.set_title(wrapped(line.model, 44), fontsize=8.5, color=INK, parse_math=False)
        panel.set_ylabel(y if place % across == 0 else "", fontsize=8, color=MUTED)
    return figure


def _title(study: PatchStudy) -> str:
    images = max(line.images for line in study.lines)
    return f"{wrapped(study.dataset, 60)}, {study.split}, {images:,} images"


def _draw(panel: Axes, line: PatchLine, cut: float | None) -> None:
    by_name = {found.name: found for found in line.distributions}
    shown = [by_name[name] for name in (ALL, BACKGROUND, FOREGROUND) if name in by_name]
    # The published densities of scores are of the two sides alone.
    for found in shown if line.is_norm else shown[1:] or shown:
        (_draw_steps if line.is_norm else _draw_curve)(panel, found)
        panel.axvline(found.median, ymax=0.05, color=_COLOURS[found.name], linewidth=2.2)
    if not line.is_norm:
        panel.set_xlim(0, 1)
        panel.set_ylim(bottom=0)
    elif cut is not None:
        panel.axvline(cut, color=INK, linewidth=0.9, linestyle=":", label=f"cut: {cut:g}")
    words = statistic_words(line.statistic)
    panel.set_xlabel(words, fontsize=8, color=MUTED, parse_math=False)
    _tidy(panel)
    # Below the panel, as curves leave no corner that is free in every one.
    panel.legend(
        **{"loc": "upper left", "bbox_to_anchor": (-0.02, -0.17), "labelcolor": INK},
        **{"fontsize": 7, "frameon": False, "borderaxespad": 0},
    )


def _draw_steps(panel: Axes, found: Distribution) -> None:
    """Draw the histogram of norms on a logarithmic axis, on which few of them are seen too.

    That of all patches is an area, as its outline would hide the background's, which are the most.
    """
    density = found.density(smoothed=False)
    label = f"{_label(found)}, 99.9 % below {found.q999:.4g}"
    # An empty bin has no place on such an axis; without a baseline the line does not fall to it.
    shown = np.where(density > 0, density, np.nan)
    ink: dict[str, Any] = {"color": _COLOURS[found.name], "label": label}
    if found.name == ALL:
        panel.stairs(density, _edges(found), fill=True, **{**ink, "color": _AREA})
    else:
        panel.stairs(shown, _edges(found), baseline=None, linewidth=1.3, **ink)
    panel.set_yscale("log")


def _draw_curve(panel: Axes, found: Distribution) -> None:
    edges, density = _edges(found), found.density(smoothed=True)
    centres, colour = (edges[1:] + edges[:-1]) / 2, _COLOURS[found.name]
    panel.fill_between(centres, density, color=colour, alpha=0.14, linewidth=0)
    label, dashes = _label(found), _DASHES[found.name]
    panel.plot(centres, density, dashes, color=colour, linewidth=1.6, label=label)


def _edges(found: Distribution) -> NDArray[np.float64]:
    return np.linspace(found.low, found.high, len(found.counts) + 1)


def _label(found: Distribution) -> str:
    return f"{found.name}: mean {found.mean:.4g}, median {found.median:.4g}"


def _tidy(panel: Axes) -> None:
    panel.tick_params(labelsize=7.5, length=2.5, colors=MUTED, which="both")
    panel.grid(axis="y", color=RULE, linewidth=0.7)
    panel.set_axisbelow(True)
    for side, spine in panel.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
