"""Results of presets: they read back, agree with each other, and name replaced models."""

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.paper.results import miniature, read_results

from .kit import O2O, SMALL, STAND_INS, result, write


def test_a_result_reads_back(tmp_path):
    one = result(11, O2O, replacements=STAND_INS, notes=("few images",))
    (found,) = read_results([write(tmp_path, one)])
    assert str(found) == str(one)  # NaN equals nothing


def test_replacements_in_a_line():
    assert miniature(STAND_INS) == f"miniature: tiny for {SMALL}"
    assert miniature(STAND_INS[:1]) == f"miniature: tiny for {SMALL} (attention)"
    assert miniature(()) == ""


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"collection": "c1"}, "are of different images or splits"),
        ({"replacements": STAND_INS}, f"Different models stand for {SMALL}"),
    ],
)
def test_results_that_cannot_stand_together(tmp_path, others, message):
    folder = write(tmp_path, result(11, O2O), result(11, O2O, **others))
    with pytest.raises(A2pipeError, match=message):
        read_results([folder])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ('{"format": 1, "kind": "matrix"}', "is no result of the paper's"),
        ('{"format": 99, "kind": "paper"}', "newer version"),
        ('{"format": 1, "kind": "paper"}', "has no 'preset'"),
    ],
)
def test_files_that_are_no_results(tmp_path, text, message):
    (tmp_path / "paper.json").write_text(text, encoding="utf-8")
    with pytest.raises(A2pipeError, match=message):
        read_results([tmp_path])


def test_a_folder_without_results(tmp_path):
    with pytest.raises(A2pipeError, match=r"There is no paper\.json"):
        read_results([tmp_path])
