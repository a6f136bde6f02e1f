"""CSV and Markdown tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from a2pipe.reports.matrix import Matrix, Row
from a2pipe.reports.tables import escape, to_csv, to_markdown

Changed = Callable[..., Matrix]


def test_csv_has_one_line_a_cell(matrix: Matrix) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(matrix))))
    assert len(lines) == len(matrix.cells)
    first = lines[0]
    assert (first["attention"], first["embedding"]) == ("demo_localizer_s", "demo_embedder_s")
    assert float(first["wga"]) == 0.732
    assert float(first["crop_hit"]) == 0.907
    assert float(first["accuracy of 0 on china"]) == 0.732


def test_csv_leaves_empty_what_is_not_defined(matrix: Matrix) -> None:
    lines = {line["row"]: line for line in csv.DictReader(io.StringIO(to_csv(matrix)))}
    assert lines["full"]["mass"] == ""
    assert lines["random"]["mass"] == ""
    assert lines["random"]["crop_hit"] == "0.185"


def test_csv_keeps_commas_quotes_and_line_breaks(changed: Changed, matrix: Matrix) -> None:
    nasty = 'a,"b"\nc'
    rows = tuple(replace(row, label=nasty) for row in matrix.rows)
    lines = list(csv.DictReader(io.StringIO(to_csv(changed(rows=rows)))))
    assert {line["label"] for line in lines} == {nasty}


def test_markdown_marks_best_and_diagonal(matrix: Matrix) -> None:
    text = to_markdown(matrix)
    assert "| random-init S | 20.1 | 18.0 |" in text
    assert "| full image | 13.8 | 33.0† |" in text
    assert "| demo\\_embedder\\_s | *44.6* | 25.0 |" in text
    assert re.search(r"3×3 mean\) \| \*\*73\.2\*\* \| \*\*31\.4\*\* \|", text)


def test_markdown_marks_a_best_diagonal_with_three_stars(matrix: Matrix) -> None:
    only = [cell for cell in matrix.cells if cell.row == "e" and cell.column == "demo_embedder_s"]
    assert "***44.6***" in to_markdown(replace(matrix, cells=tuple(only)))


def test_markdown_tables_keep_their_columns(matrix: Matrix, changed: Changed) -> None:
    rows = (Row("s", "a|b\n*c* <i>", "attention", "s"), *matrix.rows[1:])
    text = to_markdown(changed(rows=rows))
    lines = [line for line in text.splitlines() if line.startswith("| a\\|b")]
    assert lines
    assert all(line.startswith("| a\\|b \\*c\\* \\<i\\>") for line in lines)


def test_markdown_begins_with_name_and_notes(matrix: Matrix) -> None:
    assert to_markdown(matrix).startswith(f"# demo-01\n\n{matrix.notes[0]}\n\n")


@pytest.mark.parametrize("text", ["a_b", "`x`", "<script>", "[l](u)", "#", "~~", "\\"])
def test_escape_protects_every_special_character(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", escape(text)) == text
    assert all(escape(text)[m.start() - 1] == "\\" for m in re.finditer("[<_`#]", escape(text)))


def test_csv_has_the_ends_of_intervals_or_leaves_them_empty(
    matrix: Matrix, with_intervals: Matrix
) -> None:
    ends = ("accuracy_low", "accuracy_high", "wga_low", "wga_high")
    first = next(csv.DictReader(io.StringIO(to_csv(with_intervals))))
    assert [float(first[end]) for end in ends[2:]] == pytest.approx([0.6616, 0.8024])
    assert [next(csv.DictReader(io.StringIO(to_csv(matrix))))[end] for end in ends] == [""] * 4


def test_markdown_shows_intervals_behind_the_numbers(
    matrix: Matrix, with_intervals: Matrix
) -> None:
    text = to_markdown(with_intervals)
    assert "| **73.2** (66.2–80.2) |" in text
    assert "| 33.0† (26.0–40.0) |" in text
    assert "Ranges: 95 % confidence intervals." in text
    assert "Ranges" not in to_markdown(matrix)
