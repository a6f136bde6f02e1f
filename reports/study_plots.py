"""Plots of localisation studies as PNG: by model size, by block, and the shares of token groups.

Drawn on matplotlib's Figure with the Agg canvas: no pyplot, no global state, no display.
Several studies stand side by side, as the columns of A²'s figures 2 and 9 to 14.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..errors import A2pipeError
from .study import Line, Study
from .study_panels import (
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
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS = 6
"""Panels in a row of models."""


class TooLittleError(Exception):
    """Why a plot cannot be drawn."""


def study_plots(studies: Sequence[Study]) -> tuple[dict[str, bytes], dict[str, str]]:
    """File name -> PNG of every plot there is data for, and file name -> reason of the others.

    Of several ways of reading attention (heads, reading, smoothing, evaluation) each study's first
    is drawn. Raises A2pipeError for a study without lines.
    """
    for study in studies:
        if not study.lines:
            raise A2pipeError(f"There is nothing to plot: the study {study.name} has no line.")
    drawn, left_out = {}, {}
    for name, plot in PLOTS.items():
        try:
            drawn[name] = png(plot(studies))
        except TooLittleError as reason:
            left_out[name] = str(reason)
    return drawn, left_out


def png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG on white: equal figures give equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(
        content, format="png", dpi=dpi, facecolor="white", metadata={"Software": "a2pipe"}
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
    label_blocks(panels[-1])
    add_legend(figure, panels)
    return figure


def token_shares(studies: Sequence[Study]) -> Figure:
    """Shares of the token groups block by block, with mass in box, a panel a model (figure 10)."""
    rows = [
        {model: each for model, each in by_model(shown(study)).items() if len(each) > 1}
        for study in studies
    ]
    if not any(rows):
        raise TooLittleError("it needs two blocks of one model (attention.layers)")
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
            panel.set_title(model, fontsize=9, color=INK, parse_math=False)
        label_blocks(row[: len(chosen)])
        words = f"{title_of(study)}\nshare of CLS attention"
        row[0].set_ylabel(words, fontsize=8, color=MUTED, parse_math=False)
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


def shown(study: Study) -> list[Line]:
    """The lines of the way of reading attention that comes first in the study."""
    return [line for line in study.lines if line.reads == study.lines[0].reads]


def by_model(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The blocks of every model, in order of depth."""
    models: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: line.block):
        models.setdefault(line.model, []).append(line)
    return {model: models[model] for model in dict.fromkeys(line.model for line in lines)}


def series(line: Line, lines: Sequence[Line]) -> str:
    """The family, and whether it has registers where some of its models do and others do not."""
    among = {each.registers > 0 for each in _attention(lines) if each.family == line.family}
    if len(among) < 2:
        return line.family
    return f"{line.family} {'with' if line.registers else 'without'} registers"


def _attention(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.kind == "attention"]


def _taken(names: Sequence[str], lines: Sequence[Sequence[Line]]) -> list[str]:
    """The measures that some line has; TooLittleError if there is none."""
    every = [line for chosen in lines for line in chosen]
    found = [name for name in names if any(line.measure(name) for line in every)]
    if not found:
        raise TooLittleError(f"no line has {' or '.join(names)}")
    return found


PLOTS: dict[str, Callable[[Sequence[Study]], Figure]] = {
    "localization-by-size.png": partial(by_size, names=("mass", "hit")),
    "localization-by-block.png": partial(by_block, names=("mass", "hit")),
    "concentration-by-size.png": partial(by_size, names=("entropy", "top10", "top25")),
    "concentration-by-block.png": partial(by_block, names=("entropy", "top10", "top25")),
    "token-shares.png": token_shares,
}
