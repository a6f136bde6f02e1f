"""Heat maps as pictures, without pyplot."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from a2pipe.reports import heat_map as drawing
from a2pipe.reports.heat_map import heat_map, heat_map_png
from a2pipe.reports.matrix import Matrix

Changed = Callable[..., Matrix]
NONE = np.zeros((0, 4), dtype=np.int32)


def texts(matrix: Matrix) -> dict[str, set[tuple[str, str]]]:
    """(weight, style) of every number, by panel title."""
    panels = heat_map(matrix).axes
    return {
        panel.get_title(): {
            (each.get_text(), str(each.get_fontweight()), each.get_fontstyle())
            for each in panel.texts
        }
        for panel in panels
    }


def test_every_number_stands_in_its_panel_with_its_marks(matrix: Matrix) -> None:
    found = texts(matrix)
    assert ("73.2", "bold", "normal") in found["Worst-group accuracy, logistic"]
    assert ("44.6", "normal", "italic") in found["Worst-group accuracy, logistic"]
    assert ("33.0†", "normal", "normal") in found["Worst-group accuracy, logistic"]
    assert ("86.9", "bold", "normal") in found["Accuracy, logistic"]


def test_png_is_a_picture_and_the_same_every_time(matrix: Matrix) -> None:
    first = heat_map_png(matrix)
    with Image.open(io.BytesIO(first)) as picture:
        assert picture.width > picture.height > 500
    assert heat_map_png(matrix) == first


def test_an_older_picture_of_the_same_is_kept_and_not_drawn(
    matrix: Matrix, changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = heat_map_png(matrix)
    monkeypatch.setattr(drawing, "heat_map", None)
    later = changed(created="2031-01-01T00:00:00+00:00", run={"seconds": 3})
    assert heat_map_png(later, older) == older


def test_an_older_picture_of_anything_else_is_drawn_anew(matrix: Matrix, changed: Changed) -> None:
    older = heat_map_png(matrix)
    other = changed(cells=matrix.cells[1:])
    assert heat_map_png(other, older) == heat_map_png(other) != older
    assert heat_map_png(matrix, b"no picture") == older


def test_an_older_picture_that_is_damaged_is_drawn_anew(matrix: Matrix) -> None:
    older = heat_map_png(matrix)
    for place in (len(older) // 2, -30):
        damaged = bytearray(older)
        damaged[place] ^= 1
        assert heat_map_png(matrix, bytes(damaged)) == older
    assert heat_map_png(matrix, older[:-200]) == older


def test_labels_lie_within_the_picture(matrix: Matrix, changed: Changed) -> None:
    long = tuple(replace(row, label="a_very_" * 12 + row.key) for row in matrix.rows)
    figure = heat_map(changed(rows=long))
    FigureCanvasAgg(figure).draw()
    edge = figure.bbox
    for panel in figure.axes:
        for each in (*panel.get_xticklabels(), *panel.get_yticklabels(), panel.title):
            box = each.get_window_extent()
            if each.get_visible() and each.get_text():
                assert box.x0 >= edge.x0 - 1
                assert box.x1 <= edge.x1 + 1


@pytest.mark.parametrize("change", [{"cells": ()}, {"rows": (), "cells": (), "localization": ()}])
def test_empty_matrices_can_be_drawn(changed: Changed, change: dict[str, object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert heat_map_png(changed(**change))


def test_a_name_stands_once_and_the_legend_has_no_word_on_ranges(with_intervals: Matrix) -> None:
    named = replace(with_intervals, dataset=with_intervals.name)
    figure = heat_map(named)
    assert figure.get_suptitle() == named.name
    assert "Ranges" not in figure.get_supxlabel()
    assert "Bold" in figure.get_supxlabel()


def test_dollar_signs_are_no_formulas(changed: Changed) -> None:
    assert heat_map_png(changed(name=r"$\frac{", dataset="$x$ ^_"))


def test_pyplot_stays_unloaded() -> None:
    code = (
        "import sys; from a2pipe.reports import write, terminal; "
        "assert 'matplotlib' not in sys.modules; from matplotlib.figure import Figure; "
        "import a2pipe.reports.heat_map; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
