"""Draw panels of the paper's figures: a thin coloured curve a dataset, a bold black one their mean.

Models stand side by side in order of size. Colours are Okabe and Ito's; markers tell curves apart
in grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

from ..reports.drawing import INK, MUTED, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
_MARKERS = "osD^v"
_MEAN = "black"
_PANEL = 3.5, 2.7  # inches
_CAPTION = 118  # characters in a line below two panels


@dataclass(frozen=True)
class Curve:
    """A Curve is one curve of a panel.

    name: for the legend. values: one a model, NaN if there is none. style: the number of the
    dataset, which gives colour and marker; -1 for the mean of several.
    """

    name: str
    values: tuple[float, ...]
    style: int = -1


@dataclass(frozen=True)
class Panel:
    """A Panel is what one panel shows.

    title: above it. models: their names from the smallest on. curves: one a dataset, and their
    mean. y: what the values are. x: the role of the models.
    """

    title: str
    models: tuple[str, ...]
    curves: tuple[Curve, ...]
    y: str
    x: str


def draw_panels(panels: Sequence[Panel], caption: str = "") -> Figure:
    """Draw the panels side by side, with one legend above them and the caption below.

    They share a scale unless they show means alone, which differ by more than they vary.
    """
    from matplotlib.figure import Figure

    text = fill(caption, _CAPTION * len(panels) // 2)
    lines = text.count("\n") + 1 if text else 0
    size = _PANEL[0] * len(panels), _PANEL[1] + 0.55 + 0.13 * lines
    figure = Figure(figsize=size, layout="constrained")
    shared = any(curve.style >= 0 for panel in panels for curve in panel.curves)
    places = figure.subplots(1, len(panels), squeeze=False, sharey=shared)[0]
    for place, panel in zip(places, panels, strict=True):
        _draw(place, panel)
    places[0].set_ylabel(panels[0].y, fontsize=8, color=INK)
    found = [h for place in places for h in place.get_legend_handles_labels()[0]]
    handles = list({handle.get_label(): handle for handle in found}.values())
    style: dict[str, Any] = {"fontsize": 7.5, "frameon": False, "ncols": 3 * len(panels)}
    figure.legend(handles=handles, loc="outside upper center", **style)
    if text:
        figure.supxlabel(text, fontsize=6.5, color=MUTED, parse_math=False)
    return figure


def _draw(place: Axes, panel: Panel) -> None:
    for curve in panel.curves:
        _plot(place, curve)
    if panel.y.startswith("change"):
        place.axhline(0, color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
    place.set_title(panel.title, fontsize=9, color=INK)
    place.set_xticks(range(len(panel.models)), panel.models, fontsize=8, color=INK)
    place.set_xlim(-0.3, len(panel.models) - 0.7)
    place.set_xlabel(f"{panel.x} model", fontsize=8, color=INK)
    place.tick_params(labelsize=8, length=2, colors=INK)
    place.grid(axis="y", color=RULE, linewidth=0.7)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


def _plot(place: Axes, curve: Curve) -> None:
    mean = curve.style < 0
    width = 2.4 if mean else 1.1
    look: dict[str, Any] = {"linewidth": width, "markersize": 3 + width, "zorder": 2 + width}
    look["color"] = _MEAN if mean else _COLOURS[curve.style % len(_COLOURS)]
    look["marker"] = "o" if mean else _MARKERS[curve.style % len(_MARKERS)]
    place.plot(range(len(curve.values)), curve.values, label=curve.name, **look)
