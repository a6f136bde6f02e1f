"""Marks follow the paper: bold the best attention of a column, italic the diagonal."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from a2pipe.reports.grid import Entry, grid, grids, legend, percent, settings, span, titles
from a2pipe.reports.matrix import Cell, Matrix, Row

Changed = Callable[..., Matrix]


def entry(matrix: Matrix, row: str, column: str, metric: str = "wga") -> Entry:
    shown = grid(matrix, "logistic", metric)
    line = next(line for line in shown.lines if line.row.key == row)
    return line.entries[shown.columns.index(column)]


def tiny(**wga: float) -> Matrix:
    """One column E; rows E and S attend, F is the full image."""
    rows = (Row("E", "E", "attention", "E"), Row("S", "S", "attention", "S"))
    rows += (Row("F", "full", "baseline", baseline="full"),)
    cells = tuple(Cell(key, "E", "logistic", 1, 1, 0, w, w, "") for key, w in wga.items())
    return Matrix("m", "d", "", "", "", (), (), rows, ("E",), ("logistic",), cells)


def test_best_attention_row_of_each_column_is_bold(matrix: Matrix) -> None:
    shown = grid(matrix, "logistic", "wga")
    best = [[line.row.key for line in shown.lines if line.entries[c].best] for c in (0, 1)]
    assert best == [["s"], ["s"]]
    assert entry(matrix, "s", "demo_embedder_s").text == "73.2"


def test_diagonal_is_where_one_model_attends_and_embeds(matrix: Matrix) -> None:
    assert entry(matrix, "e", "demo_embedder_s").diagonal
    assert not entry(matrix, "e", "demo_embedder_m").diagonal
    assert not entry(matrix, "full", "demo_embedder_s").diagonal


def test_the_diagonal_holds_for_every_pool_of_the_model() -> None:
    matrix = tiny(E=0.5, S=0.6, F=0.6)
    pooled = replace(
        matrix,
        columns=("E, cls+mean", "S, selective:N/4"),
        cells=tuple(replace(cell, column="E, cls+mean") for cell in matrix.cells),
    )
    assert entry(pooled, "E", "E, cls+mean").diagonal
    assert not entry(pooled, "S", "E, cls+mean").diagonal


def test_a_baseline_is_never_bold_but_marked_when_it_does_as_well() -> None:
    matrix = tiny(E=0.5, S=0.6, F=0.6)
    assert entry(matrix, "S", "E").best
    assert entry(matrix, "F", "E").rival
    assert not entry(matrix, "F", "E").best
    assert not entry(tiny(E=0.5, S=0.6, F=0.59), "F", "E").rival


def test_what_reads_alike_is_marked_alike() -> None:
    matrix = tiny(E=0.70001, S=0.70004, F=0.1)
    assert entry(matrix, "E", "E").best
    assert entry(matrix, "S", "E").best


def test_without_attention_cells_nothing_is_marked() -> None:
    assert entry(tiny(F=0.5), "F", "E") == Entry("50.0", 50.0)


def test_missing_cells_are_a_dash() -> None:
    missing = entry(tiny(E=0.5), "S", "E")
    assert missing.text == "–"
    assert math.isnan(missing.value)
    assert not missing.best


def test_attention_rows_come_first_then_controls_then_baselines(matrix: Matrix) -> None:
    lines = grid(matrix, "logistic", "wga").lines
    assert [line.row.key for line in lines if line.opens] == ["s", "init", "full"]
    assert [line.row.kind for line in lines][-4:] == ["control"] + ["baseline"] * 3


def test_equal_labels_are_told_apart_by_settings(matrix: Matrix) -> None:
    names = titles(matrix)
    assert names["s"] == "demo_localizer_s (crop 32 px, 3×3 mean)"
    assert names["s-raw"] == "demo_localizer_s (crop 32 px)"
    assert names["m"] == "demo_localizer_m"


@pytest.mark.parametrize(
    ("crops", "smooth", "words"),
    [((64, 32), 1, "crops 64 + 32 px"), ((32,), 3, "crop 32 px, 3×3 mean"), ((), 1, "no crop")],
)
def test_settings_in_words(crops: tuple[int, ...], smooth: int, words: str) -> None:
    assert settings(Row("k", "l", "attention", "a", crops, smooth)) == words


@pytest.mark.parametrize(
    ("share", "text"), [(0.7316, "73.2"), (1.0, "100.0"), (0, "0.0"), (None, "–"), (math.nan, "–")]
)
def test_per_cent_with_one_decimal(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_one_grid_a_head_and_metric(changed: Changed) -> None:
    twice = changed(heads=("logistic", "dfr"))
    found = [(each.head, each.metric) for each in grids(twice)]
    assert found == [(h, m) for h in ("logistic", "dfr") for m in ("accuracy", "wga")]


def test_legend_explains_only_marks_that_occur(matrix: Matrix) -> None:
    assert "†" in legend(grids(matrix))
    assert "not computed" not in legend(grids(matrix))
    alone = legend(grids(replace(matrix, cells=matrix.cells[:1])))
    assert alone == "Bold: best attention of a column. – not computed."


@pytest.mark.parametrize(
    ("interval", "fine", "coarse"),
    [
        ((0.6871, 0.8229), "68.7–82.3", "68–83"),
        ((0.0, 1.0), "0.0–100.0", "0–100"),
        ((0.29, 0.57), "29.0–57.0", "29–57"),
        (None, "", ""),
        ((math.nan, 0.5), "", ""),
    ],
)
def test_intervals_in_per_cent(
    interval: tuple[float, float] | None, fine: str, coarse: str
) -> None:
    assert (span(interval), span(interval, 0)) == (fine, coarse)
