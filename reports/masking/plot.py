"""Draw masking probes as PNG: accuracy against masked patches, with a curve for each order."""

from __future__ import annotations

from itertools import groupby
from math import isfinite
from typing import TYPE_CHECKING, Any

from ..drawing import INK, MUTED, RULE, png
from ..labels import wrapped
from .probe import Curve, MaskingProbe
from .published import MASKED, READ_OFF, is_published

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = {  # Okabe and Ito's colours; markers tell them apart in grey
    "highest": {"color": "#0072B2", "marker": "o"},
    "random": {"color": "#000000", "marker": "s"},
    "lowest": {"color": "#D55E00", "marker": "^"},
}
_LABELS = {"highest": "highest first", "lowest": "lowest first", "random": "random order"}
_ACROSS = 3
_PANEL = 4.4, 3.4  # inches


def probe_plot(probe: MaskingProbe) -> bytes:
    """Return the plot as PNG, with a panel for each model, pool, score, fill and head.

    Bands are the intervals. Where a panel is of the paper's setting, the curves of its figure stand
    beside ours, dashed, and the legend says that they are read off.
    """
    from matplotlib.figure import Figure

    ordered = sorted(probe.curves, key=lambda curve: probe.curves.index(_first(probe, curve)))
    panels = [list(group) for _, group in groupby(ordered, key=lambda curve: curve.way)]
    across = min(_ACROSS, len(panels))
    down = -(-len(panels) // across)
    size = _PANEL[0] * across + 0.3, _PANEL[1] * down + 0.6
    figure = Figure(figsize=size, layout="constrained")
    figure.subplots(down, across, squeeze=False, sharey=True)
    for spare in figure.axes[len(panels) :]:
        spare.remove()
    for panel, curves in zip(figure.axes, panels, strict=True):
        _draw(panel, probe, curves)
    handles: dict[str, Any] = {}
    for panel in figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
        labelcolor=INK,
    )
    return png(figure, cropped=True)


def _first(probe: MaskingProbe, curve: Curve) -> Curve:
    """Return the first curve of the same panel."""
    return next(each for each in probe.curves if each.way == curve.way)


def _draw(panel: Axes, probe: MaskingProbe, curves: list[Curve]) -> None:
    first = curves[0]
    about = f"{first.model}, {first.head} head on {first.pool}"
    ranked = f"by {first.score}, filled with {first.fill}, n = {first.points[0].n:,}"
    title = f"{wrapped(about, 52)}\n{wrapped(ranked, 52)}"
    panel.set_title(title, fontsize=9, color=INK, parse_math=False)
    for curve in curves:
        _draw_curve(panel, curve)
        if is_published(probe, curve):
            style: dict[str, Any] = {**_STYLES[curve.order], "marker": "", "linestyle": "--"}
            label = f"{_LABELS[curve.order]}, published (read off the figure)"
            panel.plot(MASKED, READ_OFF[curve.order], label=label, linewidth=1.2, **style)
    panel.set_xlabel(f"masked patches of {first.patches}", fontsize=9, color=MUTED)
    panel.set_ylabel("top-1 accuracy, %", fontsize=9, color=MUTED)
    panel.tick_params(labelsize=8, length=2.5, colors=MUTED)
    panel.grid(axis="y", color=RULE, linewidth=0.7)
    panel.set_axisbelow(True)
    for side, spine in panel.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)


def _draw_curve(panel: Axes, curve: Curve) -> None:
    """Draw the points of a curve that have an accuracy."""
    points = [point for point in curve.points if isfinite(point.accuracy)]
    style: dict[str, Any] = _STYLES[curve.order]
    masked = [point.masked for point in points]
    low, mean, high = (
        [100 * getattr(point, end) for point in points] for end in ("low", "accuracy", "high")
    )
    panel.fill_between(masked, low, high, color=style["color"], alpha=0.15, linewidth=0)
    panel.plot(masked, mean, label=_LABELS[curve.order], markersize=4, linewidth=1.5, **style)
