"""Axes and legend of the plots of studies."""

from __future__ import annotations

import pytest

from a2pipe.reports.drawing import png
from a2pipe.reports.localization.axes import millions
from a2pipe.reports.localization.plots import PLOTS, by_block, by_size, by_token

from .studies import line, study


def test_sizes_that_are_nearly_equal_have_ticks_that_differ() -> None:
    lines = [line("a", parameters=21.6), line("b", parameters=22.1)]
    figure = by_size([study(lines)], ("mass",))
    png(figure, cropped=True)
    (panel,) = figure.axes
    low, high = panel.get_xlim()
    ticks = [
        t.get_text()
        for x, t in zip(panel.get_xticks(), panel.get_xticklabels(), strict=True)
        if low <= x <= high
    ]
    assert len(ticks) == len(set(ticks)) >= 2


def test_ticks_stand_at_the_blocks_that_were_measured() -> None:
    some = [line("s", block, 12) for block in (2, 5, 12)]
    (panel,) = by_token([study(some)]).axes
    assert panel.get_xticks().tolist() == [2, 5, 12]
    (panel,) = by_block([study(some)], ("mass",)).axes
    assert panel.get_xticks().tolist() == [2, 5, 12]


@pytest.mark.parametrize("name", [name for name in PLOTS if "size" not in name])
def test_long_names_fit_into_the_picture(name: str) -> None:
    long = "vit_base_patch16_clip_quickgelu_224.metaclip_400m"
    lines = [
        line(f"{long}_{i}", block, 2, heads="head_pruned_registers:0.5")
        for i in range(9)
        for block in (1, 2)
    ]
    figure = PLOTS[name]([study(lines, f"{long}, {long}")])
    figure.draw_without_rendering()
    texts = [panel.title for panel in figure.axes] + figure.legends[0].get_texts()
    extents = [text.get_window_extent() for text in texts if text.get_text()]
    assert len(extents) > 9
    assert all(each.x0 >= 0 and each.x1 <= figure.bbox.width for each in extents)


def test_numbers_of_parameters_are_short() -> None:
    assert [millions(v) for v in (0.47, 22.06, 304.4, 1136, 6716)] == [
        *("470k", "22.1M", "304M", "1.1B", "6.7B")
    ]
