"""Draw figures 6, 7, 20, 21 and 22 of the paper, from our numbers or from the paper's own.

Each is described by where its numbers stand (table, what is held fixed, what varies) and drawn by
one function. Changes are differences in points from the smallest model of a panel.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from ..reports.drawing import png
from ..reports.localization.write import Written
from ..reports.write import write_files
from .compare import with_means
from .crops import FILE as CROPS
from .crops import crops_figure, read_crops
from .panels import Curve, Panel, draw_panels
from .published import Number, published
from .results import read_results, values, warnings

Values = Mapping[str, float]

WORST = ("wga", "worst_class", "worst")
_SMALL, _GIANT = "dinov2_vits14_reg", "dinov2_vitg14_reg"
_NAMES = {
    "spawrious-o2o-hard": "Spawrious O2O",
    "spawrious-m2m-hard": "Spawrious M2M",
    "waterbirds": "Waterbirds",
    "metashift-cat-dog": "Cat vs Dog",
    "metashift-animals": "Animals",
}
_ABSENT = "none of its numbers are among the results"


@dataclass(frozen=True)
class Side:
    """A Side says what one panel shows: numbers of some tables, by the model that varies.

    title: above the panel. tables: where the numbers stand. varies: the role whose models stand
    along the axis, "attention" or "embedding". chosen: tells which numbers of the tables belong to
    it. relative: whether changes from the smallest model are shown.
    """

    title: str
    tables: tuple[int, ...]
    varies: str
    chosen: Callable[[Number], bool]
    relative: bool = True


def _selectors(worst: bool) -> tuple[Side, ...]:
    """Show A2_ZS of table 30, with DINOv2 and with OpenCLIP as what selects the crops."""

    def side(title: str, family: str) -> Side:
        return Side(
            title,
            (30,),
            "attention",
            lambda n: n.attention.startswith(family) and (n.metric in WORST) == worst,
        )

    return side("DINOv2 selector", "dinov2"), side("OpenCLIP selector", "openclip")


def _by_metric(tables: Iterable[int]) -> tuple[Side, ...]:
    """Show accuracy and the worst group with DINOv3 attention."""
    worst, tables = "Worst group (Animals: worst class)", tuple(tables)
    return (
        Side("Test accuracy", tables, "attention", lambda n: n.metric == "accuracy", False),
        Side(worst, tables, "attention", lambda n: n.metric in WORST, False),
    )


_FIGURES: dict[str, tuple[Side, ...]] = {
    "figure-6": (
        Side("Where to look", tuple(range(11, 16)), "attention", lambda n: n.embedding == _GIANT),
        Side("What to extract", tuple(range(11, 16)), "embedding", lambda n: n.attention == _SMALL),
    ),
    "figure-7": _selectors(worst=False),
    "figure-20": _by_metric([24]),
    "figure-21": _by_metric(range(25, 30)),
    "figure-22": _selectors(worst=True),
}


def panels_of(name: str, numbers: Values) -> tuple[Panel, ...]:
    """Return the panels of a figure for which there are numbers.

    name: such as "figure-6". numbers: values by the key of the published number.
    """
    panels = [_panel(side, numbers) for side in _FIGURES[name]]
    return tuple(panel for panel in panels if panel.curves)


def _panel(side: Side, numbers: Values) -> Panel:
    chosen = [n for table in side.tables for n in published(table) if side.chosen(n)]
    models = tuple(dict.fromkeys(getattr(number, side.varies) for number in chosen))
    curves = [
        _curve(dataset, [n for n in chosen if n.dataset == dataset], models, side, numbers)
        for dataset in dict.fromkeys(number.dataset for number in chosen)
    ]
    drawn = tuple(curve for curve in curves if any(not math.isnan(y) for y in curve.values))
    mean = (_mean(drawn, len(models)),) if len(drawn) > 1 else ()
    y = "change from the smallest, points" if side.relative else "per cent"
    return Panel(side.title, tuple(map(short_name, models)), (*drawn, *mean), y, side.varies)


def _curve(
    dataset: str, numbers: Sequence[Number], models: Sequence[str], side: Side, found: Values
) -> Curve:
    by_model = {getattr(n, side.varies): found.get(n.key, math.nan) for n in numbers}
    values = [by_model.get(model, math.nan) for model in models]
    if side.relative:
        values = [value - values[0] for value in values]
    if dataset not in _NAMES:
        return Curve("mean of five datasets", tuple(values))
    return Curve(_NAMES[dataset], tuple(values), list(_NAMES).index(dataset))


def _mean(curves: Sequence[Curve], count: int) -> Curve:
    """Return the mean over the drawn datasets, NaN for a model for which one has no value."""
    columns = [[curve.values[i] for curve in curves] for i in range(count)]
    return Curve(f"mean of {len(curves)}", tuple(fmean(column) for column in columns))


def short_name(model: str) -> str:
    """Return a model's name for a figure: "ViT-S" for "dinov2_vits14_reg", others as they are."""
    match = re.match(r"\w+?_vit(7b|[a-z])\d+(plus)?", model)
    return f"ViT-{match[1].upper()}{'+' if match[2] else ''}" if match else model


def write_figures(paths: Iterable[Path], folder: Path) -> Written:
    """Draw every figure for which the results under these paths have numbers.

    Returns the files, and for each figure that is left out the reason.

    Raises:
        A2pipeError: something is no result, or the folder cannot be written.
    """
    paths = list(paths)
    results = read_results(paths)
    found = {key: each.value for key, each in with_means(values(results)).items()}
    caption = " · ".join(warnings(results))
    crops = [file for path in paths for file in _crop_files(path)]
    figures, left_out = _line_figures(found, caption)
    if crops:
        figures["figure-16.png"] = png(
            crops_figure(list(map(read_crops, crops)), caption), cropped=False
        )
    else:
        left_out["figure-16.png"] = "no result of table-5 is among the results"
    return Written(write_files(figures, folder), left_out)


def published_figures(folder: Path) -> Written:
    """Draw the paper's own numbers the same way; figure 16 has none.

    Raises:
        A2pipeError: the folder cannot be written.
    """
    numbers = {number.key: number.value for number in published()}
    figures, left_out = _line_figures(numbers, "Published numbers, arXiv 2606.03148.")
    return Written(write_files(figures, folder), left_out)


def _line_figures(numbers: Values, caption: str) -> tuple[dict[str, bytes], dict[str, str]]:
    figures: dict[str, bytes] = {}
    left_out: dict[str, str] = {}
    for name in _FIGURES:
        panels = panels_of(name, numbers)
        if panels:
            figures[f"{name}.png"] = png(draw_panels(panels, caption), cropped=False)
        else:
            left_out[f"{name}.png"] = _ABSENT
    return figures, left_out


def _crop_files(path: Path) -> list[Path]:
    folder = path if path.is_dir() else path.parent
    return sorted(folder.rglob(CROPS))
