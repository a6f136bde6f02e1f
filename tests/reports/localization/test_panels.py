"""What stands in the panels of the plots of studies."""

from __future__ import annotations

from dataclasses import replace

from a2pipe.reports.localization.plots import by_block, by_token, study_plots
from a2pipe.reports.localization.study import Measure

from .studies import BLOCKS, SIZES, curves, study


def test_blocks_are_in_order_and_the_last_is_starred() -> None:
    mass, hit = by_block([study(BLOCKS)], ("mass", "hit")).axes
    found = curves(mass)
    assert found["s"].get_xdata().tolist() == [1, 2, 3]  # type: ignore[attr-defined]
    stars = [each for each in hit.lines if each.get_marker() == "*" and len(each.get_xdata())]
    assert [each.get_xydata().tolist() for each in stars] == [[[3, 80]]]  # `l` was not seen whole


def test_shares_are_stacked_to_one_with_the_mass_on_top() -> None:
    panel, _ = by_token([study(BLOCKS)]).axes
    areas = [area.get_paths()[0].get_extents() for area in panel.collections]
    assert [(round(a.y0, 3), round(a.y1, 3)) for a in areas] == [(0, 0.6), (0.6, 0.9), (0.9, 1)]
    assert curves(panel)["mass in box"].get_linestyle() == "--"  # type: ignore[attr-defined]


def test_an_interval_beside_its_mean_is_drawn() -> None:
    skewed = [replace(each, measures=(Measure("mass", 9, 0.5, 0.2, 0.6, 0.7),)) for each in SIZES]
    assert "localization-by-size.png" in study_plots([study(skewed)]).drawn
