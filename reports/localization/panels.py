"""Draw into the panels of the plots of localisation studies: curves and stacked shares.

Colours are Okabe and Ito's, which are told apart with every kind of colour vision; markers, dashes
and hatches tell them apart in grey. `lines` are of one study, `name` is that of a measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..drawing import MUTED
from .axes import CONTROL, STAR, gaps, tidy
from .study import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "osD^vPX"
_TOKENS = (  # from the bottom; face and hatch
    ("patches", "patches", "#9ecbea", ""),
    ("registers", "registers", "#f0b48a", "////"),
    ("cls", "CLS", "#d9dce1", ".."),
)


def style_of(number: int, name: str) -> dict[str, Any]:
    """Return colour and marker of the curve with this number, and a dashed line for CLIP.

    Both repeat together only after every pair of them was used.
    """
    rounds, place = divmod(number, len(_COLOURS))
    return {
        "label": name,
        "color": _COLOURS[place],
        "marker": _MARKERS[(place + rounds) % len(_MARKERS)],
        "linestyle": "--" if "clip" in name.lower() else "-",
    }


def _scale(name: str) -> float:
    """Return the factor of a measure: shares are shown in per cent, the entropy as it is."""
    return 1.0 if name == "entropy" else 100.0


def _curve(lines: Sequence[Line], name: str, x: Callable[[Line], float]) -> list[list[float]]:
    """Return four lists for the lines that have the measure: x in ascending order, the mean, and
    the lower and the upper end of its interval, as they are shown."""
    found = [(x(line), measure) for line in lines if (measure := line.measure(name))]
    found.sort(key=lambda point: point[0])
    means = [[_scale(name) * getattr(m, end) for _, m in found] for end in ("mean", "low", "high")]
    return [[place for place, _ in found], *means]


def draw_family(panel: Axes, lines: Sequence[Line], name: str, style: dict[str, Any]) -> None:
    """Draw a measure against parameters, with its intervals as bars."""
    x, mean, low, high = _curve(lines, name, lambda line: line.parameters)
    if x:
        # The mean of a skewed measure may lie beside its interval, and matplotlib takes no bar
        # of a negative length.
        below = [max(0, y - end) for y, end in zip(mean, low, strict=True)]
        above = [max(0, end - y) for y, end in zip(mean, high, strict=True)]
        panel.errorbar(x, mean, (below, above), markersize=5, linewidth=1.5, capsize=2, **style)


def draw_controls(panel: Axes, lines: Sequence[Line], name: str) -> None:
    """Draw a dotted line across the panel for every control."""
    controls = [line for line in lines if line.kind == "control"]
    ink: dict[str, Any] = {"color": MUTED, "linestyle": ":", "linewidth": 1.5, "label": CONTROL}
    for mean in _curve(controls, name, lambda line: line.parameters)[1]:
        panel.axhline(mean, **ink)


def draw_blocks(panel: Axes, lines: Sequence[Line], name: str, style: dict[str, Any]) -> None:
    """Draw a measure along the blocks of one model, with its intervals as a band."""
    x, mean, low, high = _curve(lines, name, lambda line: line.block)
    if not x:
        return
    if lines[0].kind == "control":
        style = {**style, "color": MUTED, "linestyle": ":"}
    panel.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)
    panel.plot(x, mean, markersize=3.5, linewidth=1.4, **style)
    if lines[-1].block == lines[-1].blocks:
        star: dict[str, Any] = {"marker": "*", "markersize": 9, "markeredgecolor": "white"}
        panel.plot(x[-1:], mean[-1:], color=style["color"], zorder=5, linestyle="", **star)
        panel.plot([], [], color=MUTED, label=STAR, linestyle="", **star)


def draw_tokens(panel: Axes, lines: Sequence[Line]) -> None:
    """Draw the shares of the token groups along the blocks of one model, stacked, and the mass."""
    x = [line.block for line in lines]
    floor = [0.0] * len(lines)
    for name, label, face, hatch in _TOKENS:
        shares = [found.mean if (found := line.measure(name)) else 0.0 for line in lines]
        if any(shares):
            top = [low + share for low, share in zip(floor, shares, strict=True)]
            ink: dict[str, Any] = {"facecolor": face, "edgecolor": "white", "linewidth": 0.6}
            panel.fill_between(x, floor, top, label=label, hatch=hatch, **ink)
            floor = top
    blocks, per_cent, *_ = _curve(lines, "mass", lambda line: line.block)
    if blocks:
        points = blocks, [mean / 100 for mean in per_cent]
        panel.plot(*points, color="white", linewidth=3.2)
        ink = {"color": "black", "linestyle": "--", "linewidth": 1.6, "label": "mass in box"}
        panel.plot(*points, marker="." if gaps(x) else "", **ink)
    panel.set_xlim(x[0], x[-1])
    panel.set_ylim(0, 1)
    tidy(panel)
