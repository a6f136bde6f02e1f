"""Panels of the plots of localisation studies: curves, stacked shares, axes and legend.

Colours are Okabe and Ito's, told apart with every kind of colour vision; markers, dashes and
hatches do so in grey. `lines` are of one study, a `name` is that of a measure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .study import Line, Measure, Study, way_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, _RULE = "#1b1f24", "#5b6470", "#e6e8eb"
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "osD^vPX"
_PANEL = 4.4, 2.7  # inches
_SPAN = 6.0
_TICKS = 8
_LEGEND = 60  # characters
_LEGEND_HEIGHT = 0.5  # inches
_CONTROL, _STAR = "random weights (control)", "last block"
_TITLES = {
    "mass": "mass in box, %",
    "hit": "hit rate, %",
    "entropy": "normalised entropy",
    "top10": "top 10 % of cells hold, %",
    "top25": "top 25 % of cells hold, %",
}
_TOKENS = (  # from the bottom; face and hatch
    ("patches", "patches", "#9ecbea", ""),
    ("registers", "registers", "#f0b48a", "////"),
    ("cls", "CLS", "#d9dce1", ".."),
)

Points = list[tuple[float, Measure]]


def _points(lines: Sequence[Line], name: str, x: Callable[[Line], float]) -> Points:
    """Where the lines stand, and their measure, for those that have it."""
    found = [(x(line), measure) for line in lines if (measure := line.measure(name))]
    return sorted(found, key=lambda point: point[0])


def style_of(number: int, name: str) -> dict[str, Any]:
    """Colour and marker by number, which repeat together only after all of both are used."""
    rounds, place = divmod(number, len(_COLOURS))
    return {
        "label": name,
        "color": _COLOURS[place],
        "marker": _MARKERS[(place + rounds) % len(_MARKERS)],
        "linestyle": "--" if "clip" in name.lower() else "-",
    }


def draw_family(panel: Axes, lines: Sequence[Line], name: str, style: dict[str, Any]) -> None:
    """A measure against parameters, with intervals as bars."""
    points = _points(lines, name, lambda line: line.parameters)
    if points:
        scale = _scale(name)
        x = [place for place, _ in points]
        y = [scale * each.mean for _, each in points]
        below = [scale * max(0, each.mean - each.low) for _, each in points]
        above = [scale * max(0, each.high - each.mean) for _, each in points]
        panel.errorbar(x, y, (below, above), markersize=5, linewidth=1.5, capsize=2, **style)


def draw_controls(panel: Axes, lines: Sequence[Line], name: str) -> None:
    """A dotted line across the panel for every control."""
    for line in lines:
        measure = line.measure(name)
        if line.kind == "control" and measure is not None:
            panel.axhline(
                _scale(name) * measure.mean,
                color=MUTED,
                linestyle=":",
                linewidth=1.5,
                label=_CONTROL,
            )


def draw_blocks(panel: Axes, lines: Sequence[Line], name: str, style: dict[str, Any]) -> None:
    """A measure along the blocks of one model, with its intervals as a band."""
    points = _points(lines, name, lambda line: line.block)
    if not points:
        return
    scale = _scale(name)
    x = [place for place, _ in points]
    y = [scale * each.mean for _, each in points]
    low, high = ([scale * getattr(each, end) for _, each in points] for end in ("low", "high"))
    if lines[0].kind == "control":
        style = {**style, "color": MUTED, "linestyle": ":"}
    panel.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)
    panel.plot(x, y, markersize=3.5, linewidth=1.4, **style)
    if lines[-1].block == lines[-1].blocks:
        star: dict[str, Any] = {"marker": "*", "markersize": 9, "markeredgecolor": "white"}
        panel.plot(x[-1:], y[-1:], color=style["color"], zorder=5, linestyle="", **star)
        panel.plot([], [], color=MUTED, label=_STAR, linestyle="", **star)


def draw_tokens(panel: Axes, lines: Sequence[Line]) -> None:
    """Shares of the token groups along the blocks of one model, stacked, and its mass in box."""
    x = [line.block for line in lines]
    floor = [0.0] * len(lines)
    for name, label, face, hatch in _TOKENS:
        shares = [found.mean if (found := line.measure(name)) else 0.0 for line in lines]
        if not any(shares):
            continue
        top = [low + share for low, share in zip(floor, shares, strict=True)]
        ink: dict[str, Any] = {"facecolor": face, "edgecolor": "white", "linewidth": 0.6}
        panel.fill_between(x, floor, top, label=label, hatch=hatch, **ink)
        floor = top
    mass = _points(lines, "mass", lambda line: line.block)
    if mass:
        points = [place for place, _ in mass], [each.mean for _, each in mass]
        panel.plot(*points, color="white", linewidth=3.2)
        ink = {"color": "black", "linestyle": "--", "linewidth": 1.6, "label": "mass in box"}
        panel.plot(*points, marker="." if _gaps(x) else "", **ink)
    panel.set_xlim(x[0], x[-1])
    panel.set_ylim(0, 1)
    _tidy(panel)


def figure_of(studies: Sequence[Study], names: Sequence[str]) -> tuple[Figure, Any]:
    """A panel a measure (down) and study (across), with their titles."""
    from matplotlib.figure import Figure

    width, height = _PANEL[0] * len(studies) + 0.5, _PANEL[1] * len(names) + 0.8
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(len(names), len(studies), squeeze=False, sharex="col", sharey="row")
    for panel, study in zip(panels[0], studies, strict=True):
        panel.set_title(title_of(study), fontsize=9, color=INK, parse_math=False)
    for row, name in zip(panels, names, strict=True):
        row[0].set_ylabel(_TITLES[name], fontsize=9, color=MUTED)
        for panel in row:
            _tidy(panel)
    return figure, panels


def title_of(study: Study, width: int = 58) -> str:
    """Dataset, split, images, and the way of reading attention that is drawn; width in characters
    of a line."""
    first = study.lines[0]
    about = f"{study.dataset}, {study.split}, n = {first.n:,}"
    return f"{wrapped(about, width)}\n{wrapped(way_words(first), width)}"


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most `width` characters, broken after spaces and the signs that join
    the parts of a model's name, or where there are none."""
    lines = [""]
    for part in re.findall(r"[^ _./-]*[ _./-]|[^ _./-]+", text):
        if len(lines[-1] + part.rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += part
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(line.rstrip() for line in lines)


def _tidy(panel: Axes) -> None:
    panel.tick_params(labelsize=8, length=2.5, colors=MUTED)
    panel.grid(axis="y", color=_RULE, linewidth=0.7)
    panel.set_axisbelow(True)
    for side, spine in panel.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)


def _scale(name: str) -> float:
    return 1.0 if name == "entropy" else 100.0


def label_millions(panels: Sequence[Axes]) -> None:
    """A logarithmic axis of parameters, wide enough for two numbers of two digits."""
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
    """Millions of parameters in a few characters: 500k, 22M, 1.1B."""
    if value < 1:
        return f"{1000 * value:.3g}k"
    return f"{value:.3g}M" if value < 1000 else f"{value / 1000:.2g}B"


def label_blocks(panel: Axes, lines: Iterable[Line] = ()) -> None:
    """An axis of whole blocks; with ticks at those of the lines alone where they leave some out."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    blocks = sorted({line.block for line in lines})
    ticks = FixedLocator(blocks, nbins=_TICKS) if _gaps(blocks) else MaxNLocator(integer=True)
    panel.xaxis.set_major_locator(ticks)
    panel.set_xlabel("block", fontsize=9, color=MUTED)


def _gaps(blocks: Sequence[int]) -> bool:
    """Whether ascending blocks leave some out between them."""
    return bool(blocks) and blocks[-1] - blocks[0] >= len(blocks)


def add_legend(figure: Figure, panels: Any) -> None:
    """One legend below all panels, each name once, in as many columns as the figure is wide for;
    the figure grows by what the panels would lose."""
    found: dict[str, Any] = {}
    for panel in panels.flat:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    for last in (_CONTROL, _STAR):
        found.update({last: found.pop(last)} if last in found else {})
    columns = max(1, min(len(found), int(figure.get_figwidth() / 2)))
    legend = _legend(figure, found, columns)
    while columns > 1 and legend.get_window_extent().width > figure.bbox.width:
        legend.remove()
        columns -= 1
        legend = _legend(figure, found, columns)
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
