"""The plot of a masking probe, read off the figure before it becomes a picture."""

from __future__ import annotations

from typing import Any

import pytest

from a2pipe.reports.masking import plot
from a2pipe.reports.masking.plot import probe_plot
from a2pipe.reports.masking.published import MASKED, READ_OFF

from .probes import PAPER, PAPER_IMAGES, curve, probe


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that become pictures from here on."""
    figures: list[Any] = []
    png = plot.png

    def noted(figure: Any, **options: Any) -> bytes:
        figures.append(figure)
        return png(figure, **options)

    monkeypatch.setattr(plot, "png", noted)
    return figures


def lines_of(panel: Any) -> dict[str, list[list[float]]]:
    return {line.get_label(): [*map(list, line.get_data())] for line in panel.lines}


def test_a_panel_has_the_orders_of_one_way_in_per_cent(drawn: list[Any]) -> None:
    picture = probe_plot(probe(curve(), curve("lowest"), curve(fill="blur")))
    assert picture.startswith(b"\x89PNG")
    first, second = drawn[0].axes
    assert {*lines_of(first)} == {"highest first", "lowest first"}
    assert lines_of(second) == {"highest first": [[0, 98], [80, 50]]}
    assert "filled with blur" in second.get_title()


def test_curves_of_one_way_share_a_panel_wherever_they_stand(drawn: list[Any]) -> None:
    probe_plot(probe(curve(), curve(fill="blur"), curve("random")))
    assert [len(panel.lines) for panel in drawn[0].axes] == [2, 1]


def test_published_curves_stand_beside_those_of_the_setting_alone(drawn: list[Any]) -> None:
    probe_plot(probe(curve(**PAPER), curve("random"), **PAPER_IMAGES))
    ours, other = drawn[0].axes
    name = "highest first, published (read off the figure)"
    assert {*lines_of(ours)} == {"highest first", name}
    assert lines_of(ours)[name] == [list(MASKED), list(READ_OFF["highest"])]
    assert {*lines_of(other)} == {"random order"}
    (legend,) = drawn[0].legends
    assert name in [text.get_text() for text in legend.get_texts()]
