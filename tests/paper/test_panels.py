"""Panels of the paper's figures: what is drawn of their curves, and how curves are told apart."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex

from a2pipe.paper.panels import Curve, Panel, draw_panels

MODELS = ("ViT-S", "ViT-B", "ViT-L")
BIRDS = Curve("birds", (0.0, 1.0, 3.0), style=0)
DOGS = Curve("dogs", (0.0, math.nan, 1.0), style=1)
MEAN = Curve("mean", (0.0, math.nan, 2.0))


def panel(*curves: Curve, title: str = "where", y: str = "accuracy") -> Panel:
    return Panel(title, MODELS, curves, y, "attention")


def lines_of(place):
    """The lines of a panel by the name of their curve."""
    return {line.get_label(): line for line in place.lines}


def test_each_curve_is_drawn_model_by_model():
    (place,) = draw_panels([panel(BIRDS, DOGS)]).axes
    lines = lines_of(place)
    assert lines["birds"].get_xydata().tolist() == [[0, 0], [1, 1], [2, 3]]
    np.testing.assert_array_equal(lines["dogs"].get_ydata(), DOGS.values)
    assert [label.get_text() for label in place.get_xticklabels()] == list(MODELS)


def test_words_stand_at_the_axes():
    first, second = draw_panels([panel(BIRDS), panel(BIRDS, title="what")]).axes
    assert (first.get_title(), second.get_title()) == ("where", "what")
    assert (first.get_ylabel(), second.get_ylabel()) == ("accuracy", "")
    assert first.get_xlabel() == "attention model"


def test_a_mean_is_bold_black_and_over_the_datasets():
    lines = lines_of(draw_panels([panel(BIRDS, MEAN)]).axes[0])
    assert to_hex(lines["mean"].get_color()) == "#000000"
    assert lines["mean"].get_linewidth() > 2 * lines["birds"].get_linewidth()
    assert lines["mean"].get_zorder() > lines["birds"].get_zorder()


def test_five_datasets_differ_in_colour_and_in_marker():
    curves = [Curve(str(style), (0.0, 1.0, 2.0), style) for style in range(5)]
    lines = draw_panels([panel(*curves)]).axes[0].lines
    assert len({to_hex(line.get_color()) for line in lines}) == 5
    assert len({line.get_marker() for line in lines}) == 5


def test_a_dataset_looks_the_same_in_every_panel_and_stands_in_the_legend_once():
    figure = draw_panels([panel(BIRDS, MEAN), panel(DOGS, BIRDS, title="what")])
    birds = [lines_of(place)["birds"] for place in figure.axes]
    assert birds[0].get_color() == birds[1].get_color()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["birds", "mean", "dogs"]


@pytest.mark.parametrize(("curves", "shared"), [((BIRDS, MEAN), True), ((MEAN,), False)])
def test_panels_of_means_alone_have_scales_of_their_own(curves, shared):
    first, second = draw_panels([panel(*curves), panel(*curves)]).axes
    assert first.get_shared_y_axes().joined(first, second) is shared


@pytest.mark.parametrize(("y", "dotted"), [("change in accuracy", 1), ("accuracy", 0)])
def test_changes_have_a_line_at_zero(y, dotted):
    (place,) = draw_panels([panel(BIRDS, y=y)]).axes
    level = [line for line in place.lines if line.get_linestyle() == ":"]
    assert [set(line.get_ydata()) for line in level] == [{0}] * dotted


def test_a_caption_is_wrapped_and_has_room():
    bare = draw_panels([panel(BIRDS)])
    captioned = draw_panels([panel(BIRDS)], "word " * 30)
    text = captioned.get_supxlabel()
    assert text.split() == ["word"] * 30
    assert [len(line) <= 59 for line in text.splitlines()] == [True] * 3
    assert bare.get_supxlabel() == ""
    assert captioned.get_figheight() > bare.get_figheight()
