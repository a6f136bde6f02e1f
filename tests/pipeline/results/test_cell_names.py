"""Names by which a person means a cell of a matrix."""

import json
from dataclasses import replace

import pytest

from a2pipe.errors import NotCachedError, UsageError
from a2pipe.pipeline.results.cell_names import NamedCell, find_cell, named


@pytest.mark.parametrize(
    "text", ["far", "the far one", "far::E", "far::E::LR", "far::::LR", "the far one::::"]
)
def test_ways_to_name_a_cell(text, matrix, tmp_path):
    assert find_cell(text, matrix, tmp_path) == NamedCell("far::E::LR", matrix.cells[2].record)


def test_a_file_or_its_folder_names_the_matrix(matrix, tmp_path):
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(matrix.to_json()), encoding="utf-8")
    for place in (path, tmp_path):
        assert find_cell(f"{place}::close", None, tmp_path).name == "close::E::LR"


def test_a_record_is_named_by_its_first_digits(matrix, tmp_path):
    record = matrix.cells[1].record
    assert find_cell(record[:10], None, tmp_path) == NamedCell(record[:12], record)
    with pytest.raises(NotCachedError, match="begins with"):
        find_cell("0123456789", None, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("near", "names no cell of m, which has rows 'best', 'close', 'far'; columns 'E'"),
        ("", "names 3 cells of m, among them best::E::LR and close::E::LR; say which"),
        ("far::E::LR::x", "too many parts"),
        ("far::F", "names no cell"),
    ],
)
def test_what_names_no_cell_or_several_is_refused(text, message, matrix, tmp_path):
    with pytest.raises(UsageError, match=message):
        find_cell(text, matrix, tmp_path)


def test_a_row_without_a_matrix_is_refused(tmp_path):
    with pytest.raises(UsageError, match="or name the matrix with --matrix"):
        find_cell("far::E", None, tmp_path)


def test_a_cell_without_a_record_is_refused(matrix):
    with pytest.raises(UsageError, match="best::E::LR names no record"):
        named(replace(matrix.cells[0], record=""))
