"""Cells compared on stored predictions: what is chosen, what is tested, what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from a2pipe.errors import UsageError
from a2pipe.metrics.accuracy_intervals import wga_interval
from a2pipe.metrics.corrections import holm
from a2pipe.metrics.effects import cohen_d_paired
from a2pipe.metrics.paired import permutation_test
from a2pipe.pipeline.results.cell_names import NamedCell
from a2pipe.pipeline.results.comparison import Comparison, Method, compare_cells, compare_matrix

from .conftest import GROUPS, LABELS, RIGHT, N, store

QUICK = Method(resamples=2000)


def names(found: Comparison) -> list[str]:
    return [each.cell.split("::")[0] for each in found.cells]


# --- what is tested -----------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_statistics(cell, tmp_path):
    found = compare_cells(cell("best"), [cell("close"), cell("far")], tmp_path, QUICK)
    tests = [
        permutation_test(RIGHT[name], RIGHT["best"], GROUPS, metric="worst", resamples=2000)
        for name in ("close", "far")
    ]
    assert [each.p for each in found.cells] == [None, *(test.p for test in tests)]
    assert [each.p_corrected for each in found.cells[1:]] == list(holm([t.p for t in tests]))
    assert [each.difference for each in found.cells] == [0, *(t.difference for t in tests)]
    assert (found.cells[0].low, found.cells[0].high) == wga_interval(RIGHT["best"], GROUPS)
    assert [each.differs for each in found.cells] == [False, False, True]


def test_a_matrix_is_compared_with_its_best_cell(matrix, tmp_path):
    found = compare_matrix(matrix, tmp_path, QUICK)
    assert names(found) == ["best", "close", "far"]
    assert found.chosen


def test_or_with_the_cell_that_is_named(matrix, cell, tmp_path):
    found = compare_matrix(matrix, tmp_path, QUICK, cell("far"))
    assert names(found) == ["far", "best", "close"]
    assert not found.chosen
    assert all(each.differs for each in found.cells[1:])


def test_worst_class_takes_the_classes_as_groups(cell, tmp_path):
    found = compare_cells(
        cell("best"), [cell("far")], tmp_path, replace(QUICK, metric="worst_class")
    )
    expected = min(RIGHT["far"][label == LABELS].mean() for label in (0, 1))
    assert found.cells[1].value == pytest.approx(expected)


def test_accuracy_has_an_effect_size_and_wga_none(cell, tmp_path):
    pair = cell("best"), [cell("far")]
    accuracy = compare_cells(*pair, tmp_path, replace(QUICK, metric="accuracy"))
    d = cohen_d_paired(RIGHT["far"], RIGHT["best"])
    assert accuracy.cells[1].cohen_d_paired == pytest.approx(d)
    assert compare_cells(*pair, tmp_path, QUICK).cells[1].cohen_d_paired is None


def test_mcnemar_is_exact_and_needs_no_resamples(cell, tmp_path):
    method = Method("accuracy", "mcnemar", resamples=1)
    found = compare_cells(cell("best"), [cell("far")], tmp_path, method)
    assert found.exact
    assert found.cells[1].differs


def test_samples_that_share_images_are_resampled_with_them(tmp_path):
    images = np.arange(N) // 4
    records = [
        NamedCell(name, store(tmp_path, name, RIGHT[name], "f" * 32, test_images=images))
        for name in ("best", "close")
    ]
    found = compare_cells(records[0], records[1:], tmp_path, QUICK)
    assert (found.n, found.images) == (N, N // 4)
    right = RIGHT["close"], RIGHT["best"]
    by_image = permutation_test(*right, GROUPS, images, metric="worst", resamples=2000)
    assert found.cells[1].p == by_image.p


# --- what is refused ----------------------------------------------------------------------------


def test_different_collections_are_refused(cell, tmp_path):
    other = NamedCell("other", store(tmp_path, "x", RIGHT["far"], "d" * 32))
    with pytest.raises(UsageError, match="different collections"):
        compare_cells(cell("best"), [other], tmp_path, QUICK)


def test_different_test_samples_are_refused(cell, tmp_path):
    other = NamedCell("other", store(tmp_path, "x", RIGHT["far"][:-1]))
    with pytest.raises(UsageError, match="different samples \\(240 and 239\\)"):
        compare_cells(cell("best"), [other], tmp_path, QUICK)


def test_too_few_resamples_are_refused_with_the_number_needed(matrix, tmp_path):
    with pytest.raises(UsageError, match="at least 800"):
        compare_matrix(matrix, tmp_path, replace(QUICK, resamples=799))


def test_mcnemar_of_wga_is_refused(cell, tmp_path):
    with pytest.raises(UsageError, match="about accuracy, not wga"):
        compare_cells(cell("best"), [cell("far")], tmp_path, Method(test="mcnemar"))


def test_one_cell_alone_is_refused(matrix, tmp_path):
    with pytest.raises(UsageError, match="nothing to compare"):
        compare_matrix(replace(matrix, cells=matrix.cells[:1]), tmp_path, QUICK)


# --- the command --------------------------------------------------------------------------------
