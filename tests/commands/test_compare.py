"""Cells compared on the command line."""

import json
from pathlib import Path

import pytest

from a2pipe.reports.matrix import Matrix

from ..pipeline.results.conftest import RIGHT, small_matrix


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    return small_matrix(tmp_path, "m", RIGHT)


@pytest.fixture
def saved(matrix: Matrix, tmp_path: Path) -> Path:
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(matrix.to_json()), encoding="utf-8")
    return path


def test_the_command_prints_a_table_and_a_sentence(command, saved, tmp_path):
    done = command("compare", "--matrix", saved, "--cache", tmp_path)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[2].startswith("best::E::LR ")
    assert lines[2].endswith("reference")
    assert [line.split("  ")[-1] for line in lines[3:5]] == ["no difference shown", "differs"]
    assert lines[-1] == (
        "Permutation test (10,000 resamples, seed 0) on 240 test samples; Holm's correction over 2 "
        "comparisons; alpha 0.005. The reference is the best of them on these same samples, so its "
        "lead is flattered."
    )


def test_the_command_prints_json(command, saved, tmp_path):
    options = ("--test", "bootstrap", "--metric", "accuracy", "--json", "--cache", tmp_path)
    done = command("compare", "far", "best", "--matrix", saved, *options)
    found = json.loads(done.out)
    assert found["method"]["test"] == "bootstrap"
    first, second = found["cells"]
    assert (first["cell"], first["p"]) == ("far::E::LR", None)
    assert second["difference"] == pytest.approx(RIGHT["best"].mean() - RIGHT["far"].mean())
    assert second["difference_low"] < second["difference"] < second["difference_high"]
    assert second["differs"] is True


def test_two_records_compare_without_a_matrix(command, matrix, tmp_path):
    first, second = (cell.record[:12] for cell in matrix.cells[:2])
    done = command("compare", first, second, "--cache", tmp_path, "--test", "bootstrap")
    assert done.code == 0
    assert done.out.splitlines()[2].startswith(first)
    assert "Paired bootstrap" in done.out


@pytest.mark.parametrize("arguments", [(), ("a",), ("a", "b", "c"), ("a", "b", "--against", "c")])
def test_the_command_wants_two_cells_or_a_matrix(arguments, command):
    done = command("compare", *arguments)
    assert done.code == 2
    assert "Name two cells" in done.err


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Two matrices, in which the far method is right less often."""
    found = [
        small_matrix(tmp_path, name, {row: right[:count] for row, right in RIGHT.items()})
        for name, count in (("first", 100), ("second", 240))
    ]
    files = [tmp_path / f"{each.name}.json" for each in found]
    for file, each in zip(files, found, strict=True):
        file.write_text(json.dumps(each.to_json()), encoding="utf-8")
    return files


def test_two_cells_are_compared_over_several_matrices(command, two, tmp_path):
    options = ("--test", "wilcoxon", "--metric", "accuracy", "--cache", tmp_path)
    words = ("compare", "best", "far", *(f"--matrix={file}" for file in two), *options)
    lines = command(*words).out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["first", "second"]
    assert "(paired)" in lines[-1]
    assert "(pooled)" in lines[-1]
    assert lines[-1].endswith("no difference shown; with 2 pairs p is at least 0.5.")
    found = json.loads(command(*words, "--json").out)
    assert [pair["reference"] for pair in found["pairs"]] == [
        pytest.approx(RIGHT["best"][:count].mean()) for count in (100, 240)
    ]
    assert (found["n"], found["p"], found["differs"]) == (2, 0.5, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("best", "far"), "Several matrices are compared with --test wilcoxon alone"),
        (("best", "--test", "wilcoxon"), "over two cells, A and B"),
    ],
)
def test_several_matrices_want_two_cells_and_their_own_test(command, two, arguments, said):
    done = command("compare", *arguments, *(f"--matrix={file}" for file in two))
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("test", "option"),
    [("mcnemar", "--resamples=9"), ("mcnemar", "--seed=1"), ("wilcoxon", "--correction=none")],
)
def test_an_option_that_the_test_does_not_read_is_refused(command, saved, test, option):
    done = command("compare", "far", "best", "--matrix", saved, "--test", test, option)
    assert done.code == 2
    assert f"says nothing to --test {test}" in done.err
