"""Draw localisation studies as PNG: by model size, by block, and the shares of token groups.

Several studies stand side by side, as the columns of figures 2 and 9 to 14 of A² (arXiv
2606.03148).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import A2pipeError
from ..drawing import INK, MUTED, png
from ..labels import wrapped
from .axes import add_legend, figure_of, label_blocks, label_millions, title_of
from .panels import draw_blocks, draw_controls, draw_family, draw_tokens, style_of
from .study import Line, Study, shown, way_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Plot: TypeAlias = "Callable[[Sequence[Study]], Figure]"

_ACROSS = 6  # panels in a row of models
_UNKNOWN_FAMILY = "timm"  # of models whose name says nothing of their training: they are no series
_SAME_SIZE = 1.05  # ratio of parameters up to which two models have one size


class TooLittleError(Exception):
    """A plot cannot be drawn, and the message says what it needs."""


@dataclass(frozen=True)
class Plots:
    """Plots are those that could be drawn of some studies.

    drawn: the PNG by file name.
    left_out: why each of the others was not drawn, by file name.
    remarks: what else a reader must know: which study a plot lacks, which way of reading is drawn.
    """

    drawn: dict[str, bytes]
    left_out: dict[str, str]
    remarks: tuple[str, ...]


def study_plots(studies: Sequence[Study]) -> Plots:
    """Draw every plot for which there is data, each with the studies that have it.

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
        # A study is drawn alone first, as one that lacks the data would fail the plot of all.
        tried = [_tried(plot, study) for study in studies]
        figures = [each for each in tried if not isinstance(each, str)]
        missing = {place: why for place, why in enumerate(tried) if isinstance(why, str)}
        if not figures:
            left_out[name] = missing[0]
            continue
        chosen = [study for place, study in enumerate(studies) if place not in missing]
        drawn[name] = png(figures[0] if len(figures) == 1 else plot(chosen), cropped=True)
        remarks += [
            f"{name}: without study {place + 1} ({studies[place].name}), as {why}"
            for place, why in missing.items()
        ]
    return Plots(drawn, left_out, (*remarks, *filter(None, map(_which_way, studies))))


def _tried(plot: Plot, study: Study) -> Figure | str:
    """Return the plot of one study, or why it cannot be drawn."""
    try:
        return plot([study])
    except TooLittleError as reason:
        return str(reason)


def _which_way(study: Study) -> str:
    """Return which of several ways of reading attention is drawn, or "" if there is only one."""
    ways = len({line.way for line in study.lines})
    if ways < 2:
        return ""
    return f"{study.name}: plots show the first of {ways} ways ({way_words(study.lines[0])})"


def by_size(studies: Sequence[Study], names: Sequence[str]) -> Figure:
    """Draw measures of the last block against parameters, with a curve for each family.

    It looks like figures 2 and 11 of A². CLIP's families are dashed and controls dotted; bars are
    the intervals. names: of measures, a row of panels each. Raises TooLittleError unless some study
    has models of two sizes.
    """
    last = [[line for line in shown(study) if line.block == line.blocks] for study in studies]
    sized = [[line for line in lines if line.parameters > 0] for lines in last]
    attention = [_attention(lines) for lines in sized]
    if not any(len({line.parameters for line in lines}) > 1 for lines in attention):
        raise TooLittleError("it needs the last block of two models of different, known size")
    names = _taken(names, sized)
    every = list(chain(*attention))
    figure, panels = figure_of(studies, names)
    for row, name in zip(panels, names, strict=True):
        for panel, lines in zip(row, last, strict=True):
            draw_controls(panel, lines, name)
    families = [_grouped(lines, lambda line: series(line, every)) for lines in attention]
    _draw_curves(panels, families, names, draw_family)
    label_millions(panels[-1])
    add_legend(figure, panels)
    return figure


def by_block(studies: Sequence[Study], names: Sequence[str]) -> Figure:
    """Draw measures block by block, with a curve for each model and a star at its last block.

    It looks like figures 9 and 12 to 14 of A²; bands are the intervals. names: of measures, a row
    of panels each. Raises TooLittleError unless some model has two blocks.
    """
    lines = [shown(study) for study in studies]
    models = [by_model(each) for each in lines]
    if not any(len(blocks) > 1 for each in models for blocks in each.values()):
        raise TooLittleError("it needs two blocks of one model (attention.layers)")
    names = _taken(names, lines)
    figure, panels = figure_of(studies, names)
    _draw_curves(panels, models, names, draw_blocks)
    for panel, chosen in zip(panels[-1], lines, strict=True):
        label_blocks(panel, chosen)
    add_legend(figure, panels)
    return figure


def _draw_curves(
    panels: Any,
    curves: Sequence[dict[str, list[Line]]],
    names: Sequence[str],
    draw: Callable[[Axes, Sequence[Line], str, dict[str, Any]], None],
) -> None:
    """Draw each study's curves in its column of panels; equal names look alike in all of them."""
    labels = list(dict.fromkeys(chain(*curves)))
    for row, name in zip(panels, names, strict=True):
        for panel, here in zip(row, curves, strict=True):
            for number, label in enumerate(labels):
                draw(panel, here.get(label, []), name, style_of(number, label))


def by_token(studies: Sequence[Study]) -> Figure:
    """Draw the shares of the token groups block by block, with the mass in box.

    It looks like figure 10 of A², with a panel for each model. Raises TooLittleError unless some
    model has two blocks and shares.
    """
    from matplotlib.figure import Figure

    rows = list(_panel_rows(studies))
    if not rows:
        raise TooLittleError("it needs two blocks of one model (attention.layers)")
    _taken(("cls", "registers", "patches"), [shown(study) for study in studies])
    across = max(len(chosen) for _, chosen in rows)
    size = max(2.4 * across, 4.8) + 0.6, 2.5 * len(rows) + 0.9
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(rows), across, squeeze=False, sharey=True)
    for (study, chosen), row in zip(rows, panels, strict=True):
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


def _panel_rows(studies: Sequence[Study]) -> Iterator[tuple[Study, list[tuple[str, list[Line]]]]]:
    """Yield each study with its models of several blocks and these, at most _ACROSS at a time."""
    for study in studies:
        models = [each for each in by_model(shown(study)).items() if len(each[1]) > 1]
        for start in range(0, len(models), _ACROSS):
            yield study, models[start : start + _ACROSS]


def by_model(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """Return the lines of every model, in order of depth."""
    models = _grouped(lines, lambda line: line.model)
    return {model: sorted(each, key=lambda line: line.block) for model, each in models.items()}


def _grouped(lines: Sequence[Line], key: Callable[[Line], str]) -> dict[str, list[Line]]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return groups


def series(line: Line, lines: Sequence[Line]) -> str:
    """Return the name of the curve on which a line stands among others.

    It is the family, with what tells two curves of it apart: whether there are registers, if only
    some of its models have them, and the patch, if models of one size differ in it. Where the
    family is unknown, it is the model.
    """
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
    """Return whether two models are of one size and have patches of two."""
    small, large = sorted((a.parameters, b.parameters))
    return a.patch != b.patch and large <= _SAME_SIZE * small


def _attention(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.kind == "attention"]


def _taken(names: Sequence[str], lines: Sequence[Sequence[Line]]) -> list[str]:
    """Return the measures that some line has; raise TooLittleError if there is none."""
    every = [line for chosen in lines for line in chosen]
    found = [name for name in names if any(line.measure(name) for line in every)]
    if not found:
        raise TooLittleError(f"no line has {' or '.join(names)}")
    return found


PLOTS: dict[str, Plot] = {
    "localization-by-size.png": partial(by_size, names=("mass", "hit", "point_in_box")),
    "localization-by-block.png": partial(by_block, names=("mass", "hit", "point_in_box")),
    "concentration-by-size.png": partial(by_size, names=("entropy", "top10", "top25")),
    "concentration-by-block.png": partial(by_block, names=("entropy", "top10", "top25")),
    "token-shares.png": by_token,
}
