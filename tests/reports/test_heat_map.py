"""Heat maps and overlays as pictures, without pyplot."""

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

from a2pipe.reports.heat_map import heat_map, heat_map_png
from a2pipe.reports.matrix import GalleryItem, Matrix
from a2pipe.reports.overlay import draw_attention, draw_boxes, heat

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


def test_dollar_signs_are_no_formulas(changed: Changed) -> None:
    assert heat_map_png(changed(name=r"$\frac{", dataset="$x$ ^_"))


def test_pyplot_stays_unloaded() -> None:
    code = (
        "import sys; from a2pipe.reports import write, terminal; "
        "assert 'matplotlib' not in sys.modules; from matplotlib.figure import Figure; "
        "import a2pipe.reports.heat_map; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_attention_is_brightest_at_its_peak() -> None:
    image = np.full((16, 16, 3), 128, dtype=np.uint8)
    attention = np.full((16, 16), 0.001)
    attention[4, 11] = 1
    brightness = heat(image, attention).sum(axis=2)
    assert np.unravel_index(brightness.argmax(), brightness.shape) == (4, 11)
    assert brightness[0, 0] < image[0, 0].sum()


def test_flat_zero_attention_only_darkens() -> None:
    image = np.full((8, 8, 3), 200, dtype=np.uint8)
    assert (heat(image, np.zeros((8, 8))) < image).all()


def test_boxes_are_drawn_on_their_outermost_pixels() -> None:
    image = np.full((32, 32, 3), 90, dtype=np.uint8)
    drawn = draw_boxes(image, np.array([[8, 4, 24, 20]]), NONE, side=320)
    changed = (drawn != 90).any(axis=2)
    ys, xs = np.nonzero(changed)
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (80, 40, 239, 199)
    assert not changed[60:180, 100:220].any()


def test_truth_and_crop_look_different() -> None:
    image = np.full((32, 32, 3), 90, dtype=np.uint8)
    box = np.array([[8, 4, 24, 20]])
    assert (draw_boxes(image, box, NONE) != draw_boxes(image, NONE, box)).any()


def test_overlay_leaves_its_inputs_alone(gallery: list[GalleryItem]) -> None:
    item = gallery[0]
    image, attention = item.image.copy(), item.attention.copy()
    drawn = draw_attention(item.image, item.attention, item.boxes, item.truth, side=200)
    assert drawn.shape == (200, 200, 3)
    assert drawn.dtype == np.uint8
    assert (item.image == image).all()
    assert (item.attention == attention).all()


def test_tiny_and_degenerate_boxes_are_drawn() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    truth = np.array([[2.2, 2.2, 2.3, 2.3], [0, 0, 8, 8]])
    assert draw_boxes(image, np.array([[3, 3, 4, 4]]), truth, side=8).shape == (8, 8, 3)
