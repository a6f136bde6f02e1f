"""Two methods compared across matrices: pairs, effect sizes, the rank test, and what is refused."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.results.across import compare_across
from a2pipe.pipeline.results.comparison import Method
from a2pipe.reports.matrix import Matrix

from .conftest import small_matrix

ACCURACY = Method("accuracy", "wilcoxon")
RIGHT = {"a": (6, 5, 7, 4), "b": (8, 8, 8, 8)}
"""Of 10 test samples, how many each method has right in each of four matrices."""


@pytest.fixture
def matrices(tmp_path: Path) -> list[Matrix]:
    return [
        small_matrix(
            tmp_path, f"m{i}", {name: np.arange(10) < hits[i] for name, hits in RIGHT.items()}
        )
        for i in range(4)
    ]


def test_every_matrix_gives_a_pair(matrices, tmp_path):
    found = compare_across("a", "b", matrices, tmp_path, ACCURACY)
    assert [pair.matrix for pair in found.pairs] == ["m0", "m1", "m2", "m3"]
    assert [pair.reference for pair in found.pairs] == [0.6, 0.5, 0.7, 0.4]
    assert [pair.difference for pair in found.pairs] == pytest.approx([0.2, 0.3, 0.1, 0.4])
    assert found.difference == pytest.approx(0.25)


def test_effect_sizes_and_the_rank_test_are_those_of_the_pairs(matrices, tmp_path):
    """Differences 2, 3, 1, 4 tenths: all ranks are on one side, which is 2 of 16 outcomes."""
    found = compare_across("a", "b", matrices, tmp_path, ACCURACY)
    spread = math.sqrt(((0.05**2 + 0.15**2) * 2) / 3)
    assert found.cohen_d_paired == pytest.approx(0.25 / spread)
    assert found.cohen_d_pooled == pytest.approx(0.25 / (spread / math.sqrt(2)))
    assert (found.statistic, found.p, found.n, found.smallest_p) == (0, 0.125, 4, 0.125)
    assert not found.differs
    assert compare_across("a", "b", matrices, tmp_path, replace(ACCURACY, alpha=0.2)).differs


def test_methods_that_are_equal_everywhere_do_not_differ(matrices, tmp_path):
    found = compare_across("b", "b", matrices, tmp_path, ACCURACY)
    assert (found.p, found.n, found.cohen_d_paired) == (1.0, 0, None)


def test_one_matrix_or_one_twice_is_refused(matrices, tmp_path):
    with pytest.raises(UsageError, match="give --matrix for each"):
        compare_across("a", "b", matrices[:1], tmp_path, ACCURACY)
    with pytest.raises(UsageError, match="given twice"):
        compare_across("a", "b", [*matrices, matrices[0]], tmp_path, ACCURACY)
