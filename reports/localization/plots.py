"""Plots of localisation studies as PNG: by model size, by block, and the shares of token groups.

Drawn on matplotlib's Figure with the Agg canvas: no pyplot, no global state, no display.
Several studies stand side by side, as the columns of A²'s figures 2 and 9 to 14.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

from ...errors import A2pipeError
from .panels import (
    INK,
    MUTED,
    add_legend,
    draw_blocks,
    draw_controls,
    draw_family,
    draw_tokens,
    figure_of,
    label_blocks,
    label_millions,
    style_of,
    title_of,
    wrapped,
)
from .study import Line, Study, shown, way_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Plot: TypeAlias = "Callable[[Sequence[Study]], Figure]"

_ACROSS = 6
"""Panels in a row of models."""


_UNKNOWN_FAMILY = "timm"
"""Of models whose name says nothing of how they were trained: they are no series."""
_SAME_SIZE = 1.05


class TooLittleError(Exception):
    """Why a plot cannot be drawn."""


@dataclass(frozen=True)
class Plots:
    """PNG by file name; why the others were not drawn; and what else is to be said of them."""

    drawn: dict[str, bytes]
    left_out: dict[str, str]
    remarks: tuple[str, ...]


def study_plots(studies: Sequence[Study]) -> Plots:
    """Every plot there is data for, of the studies that have it.

    Of several ways of reading attention (heads, reading, smoothing, evaluation) each study's first
    is drawn. Raises A2pipeError for a study without lines.
    """
    for study in studies:
        if not study.lines:
            raise A2pipeError(f"There is nothing to plot: the study {study.name} has no line.")
    drawn: dict[str, bytes] = {}
    left_out: dict[str, str] = {}
    remarks: list[str] = []
    for name, plot in PLOTS.items():
        tried = [_tried(plot, study) for study in studies]
        figures = [each for each in tried if not isinstance(each, str)]
        missing = {place: why for place, why in enumerate(tried) if isinstance(why, str)}
        if not figures:
            left_out[name] = missing[0]
            continue
        chosen = [study for place, study in enumerate(studies) if place not in missing]
        drawn[name] = png(figures[0] if len(figures) == 1 else plot(chosen))
        remarks += [
            f"{name}: without study {place + 1} ({studies[place].name}), as {why}"
            for place, why in missing.items()
        ]
    return Plots(drawn, left_out, (*remarks, *filter(None, map(_which_way, studies))))


def _tried(plot: Plot, study: Study) -> Figure | str:
    """The plot of one study, or why it cannot be drawn."""
    try:
        return plot([study])
    except TooLittleError as reason:
        return str(reason)


def _which_way(study: Study) -> str:
    """Which of several ways of reading attention is drawn; "" if there is one."""
    ways = len({line.way for line in study.lines})
    if ways < 2:
        return ""
    return f"{study.name}: plots show the first of {ways} ways ({way_words(study.lines[0])})"


def png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG on white: equal figures give equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(
        content,
        format="png",
        dpi=dpi,
        facecolor="white",
        bbox_inches="tight",
        metadata={"Software": "a2pipe"},
    )
    return content.getvalue()


def by_size(studies: Sequence[Study], names: Sequence[str]) -> Figure:
    """Measures of the last block against parameters, a line a family (A², figures 2 and 11).

    Contrastive families are dashed, controls dotted; bars are the intervals. Raises TooLittleError
    unless some study has a measure of two sizes.
    """
    last = [[line for line in shown(study) if line.block == line.blocks] for study in studies]
    sized = [[line for line in lines if line.parameters > 0] for lines in last]
    if not any(len({line.parameters for line in _attention(lines)}) > 1 for lines in sized):
        raise TooLittleError("it needs the last block of two models of different, known size")
    names = _taken(names, sized)
    every = [line for lines in sized for line in _attention(lines)]
    families = list(dict.fromkeys(series(line, every) for line in every))
    figure, panels = figure_of(studies, names)
    for column, lines in enumerate(sized):
        for row, name in enumerate(names):
            draw_controls(panels[row][column], last[column], name)
            for number, family in enumerate(families):
                members = [line for line in _attention(lines) if series(line, every) == family]
                draw_family(panels[row][column], members, name, style_of(number, family))
    label_millions(panels[-1])
    add_legend(figure, panels)
    return figure


def by_block(studies: Sequence[Study], names: Sequence[str]) -> Figure:
    """Measures block by block, a line a model, its last block starred (A², figures 9, 12 to 14).

    Bands are the intervals. Raises TooLittleError unless some model has two blocks.
    """
    lines = [shown(study) for study in studies]
    if not any(len(each) > 1 for chosen in lines for each in by_model(chosen).values()):
        raise TooLittleError("it needs two blocks of one model (attention.layers)")
    names = _taken(names, lines)
    models = list(dict.fromkeys(line.model for chosen in lines for line in chosen))
    figure, panels = figure_of(studies, names)
    for column, chosen in enumerate(lines):
        blocks = by_model(chosen)
        for row, name in enumerate(names):
            for number, model in enumerate(models):
                draw_blocks(
                    panels[row][column], blocks.get(model, []), name, style_of(number, model)
                )
    for panel, chosen in zip(panels[-1], lines, strict=True):
        label_blocks(panel, chosen)
    add_legend(figure, panels)
    return figure


def by_token(studies: Sequence[Study]) -> Figure:
    """Shares of the token groups block by block, with mass in box, a panel a model (figure 10)."""
    rows = [
        {model: each for model, each in by_model(shown(study)).items() if len(each) > 1}
        for study in studies
    ]
    if not any(rows):
        raise TooLittleError("it needs two blocks of one model (attention.layers)")
    _taken(("cls", "registers", "patches"), [shown(study) for study in studies])
    from matplotlib.figure import Figure

    lines = list(_panel_rows(studies, rows))
    across = max(len(chosen) for _, chosen in lines)
    size = max(2.4 * across, 4.8) + 0.6, 2.5 * len(lines) + 0.9
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(lines), across, squeeze=False, sharey=True)
    for (study, chosen), row in zip(lines, panels, strict=True):
        for panel in row[len(chosen) :]:
            panel.set_axis_off()
        for (model, blocks), panel in zip(chosen, row, strict=False):
            draw_tokens(panel, blocks)
            panel.set_title(wrapped(model, 28), fontsize=8, color=INK, parse_math=False)
            label_blocks(panel, blocks)
        words = f"{title_of(study, 34)}\nshare of CLS attention"
        row[0].set_ylabel(words, fontsize=7, color=MUTED, parse_math=False)
    add_legend(figure, panels)
    return figure


def _panel_rows(
    studies: Sequence[Study], models: Sequence[dict[str, list[Line]]]
) -> Iterator[tuple[Study, list[tuple[str, list[Line]]]]]:
    """Models of one study with their blocks, at most _ACROSS in a row of panels."""
    for study, found in zip(studies, models, strict=True):
        chosen = list(found.items())
        for start in range(0, len(chosen), _ACROSS):
            yield study, chosen[start : start + _ACROSS]


def by_model(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The blocks of every model, in order of depth."""
    models: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: line.block):
        models.setdefault(line.model, []).append(line)
    return {model: models[model] for model in dict.fromkeys(line.model for line in lines)}


def series(line: Line, lines: Sequence[Line]) -> str:
    """The family, whether it has registers where some of its models do and others do not, and the
    patch where models of one size differ in it. The model itself where the family is unknown."""
    if line.family == _UNKNOWN_FAMILY:
        return line.model
    family = [each for each in _attention(lines) if each.family == line.family]
    words = [line.family]
    if len({each.registers > 0 for each in family}) > 1:
        words.append(f"{'with' if line.registers else 'without'} registers")
    alike = [each for each in family if (each.registers > 0) == (line.registers > 0)]
    if any(_differ_in_patch(a, b) for a, b in combinations(alike, 2)):
        words.append(f"patch {line.patch}")
    return " ".join(words)


def _differ_in_patch(a: Line, b: Line) -> bool:
    """Whether two models are of one size and have patches of two."""
    small, large = sorted((a.parameters, b.parameters))
    return a.patch != b.patch and large <= _SAME_SIZE * small


def _attention(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.kind == "attention"]


def _taken(names: Sequence[str], lines: Sequence[Sequence[Line]]) -> list[str]:
    """The measures that some line has; TooLittleError if there is none."""
    every = [line for chosen in lines for line in chosen]
    found = [name for name in names if any(line.measure(name) for line in every)]
    if not found:
        raise TooLittleError(f"no line has {' or '.join(names)}")
    return found


PLOTS: dict[str, Plot] = {
    "localization-by-size.png": partial(by_size, names=("mass", "hit")),
    "localization-by-block.png": partial(by_block, names=("mass", "hit")),
    "concentration-by-size.png": partial(by_size, names=("entropy", "top10", "top25")),
    "concentration-by-block.png": partial(by_block, names=("entropy", "top10", "top25")),
    "token-shares.png": by_token,
}
