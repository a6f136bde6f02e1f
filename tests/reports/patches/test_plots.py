"""What the plots of norms and scores draw."""

from __future__ import annotations

import numpy as np

from a2pipe.reports.patches.plots import norms, scores, statistic_words

from .studies import line, study


def labels(panel) -> list[str]:  # type: ignore[no-untyped-def]
    return [text.get_text().partition(":")[0] for text in panel.get_legend().get_texts()]


def test_norms_stand_before_and_after_with_all_patches_both_sides_and_the_cut() -> None:
    figure = norms(study(line("norm:before"), line("norm"), line("patch-score:cls")))
    assert figure is not None
    before, after = figure.axes
    assert labels(before) == ["all", "background", "foreground", "cut"]
    assert before.get_xlabel() == statistic_words("norm:before")
    assert before.get_yscale() == after.get_yscale() == "log"


def test_scores_are_smoothed_densities_of_the_two_sides() -> None:
    made = study(line("norm"), line("patch-score:cls"))
    figure = scores(made)
    assert figure is not None
    (panel,) = figure.axes
    assert labels(panel) == ["background", "foreground"]
    drawn = panel.get_lines()[0].get_ydata()
    np.testing.assert_allclose(drawn, made.lines[1].distributions[2].density(smoothed=True))


def test_all_patches_stand_where_there_are_no_sides() -> None:
    figure = scores(study(line("patch-score:mean", sides=False)))
    assert figure is not None
    assert labels(figure.axes[0]) == ["all"]


def test_there_is_no_figure_of_nothing() -> None:
    assert scores(study(line("norm"))) is None
    assert norms(study(line("patch-score:cls"))) is None
