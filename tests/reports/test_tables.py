"""CSV, Markdown and terminal tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from a2pipe.reports.results import Matrix, Row
from a2pipe.reports.tables import escape, to_csv, to_markdown
from a2pipe.reports.terminal import render_terminal

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


def test_plain_terminal_has_no_control_characters_and_never_wraps(matrix: Matrix) -> None:
    text = render_terminal(matrix, tty=False)
    assert "\x1b" not in text
    assert text.isascii() or "×" in text
    line = next(line for line in text.splitlines() if "3×3" in line)
    assert line.split()[-7:] == ["86.9*", "73.2*", "45.1*", "31.4*", "72.7", "89.2", "90.7"]


def test_plain_terminal_marks_diagonal_rival_and_missing(matrix: Matrix) -> None:
    cells = tuple(cell for cell in matrix.cells if (cell.row, cell.column) != ("m", COLUMN_M))
    text = render_terminal(replace(matrix, cells=cells), tty=False)
    rows = {line.strip().split("  ")[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["demo_embedder_s"][1:3] == ["58.3=", "44.6="]
    assert "33.0+" in rows["full image"]
    assert rows["demo_localizer_m"][3:5] == ["-", "-"]


COLUMN_M = "demo_embedder_m"


def test_terminal_uses_weight_and_slant(matrix: Matrix) -> None:
    text = render_terminal(matrix, tty=True, width=120)
    assert re.search(r"\x1b\[1m +73\.2|\x1b\[1m 73\.2", text)
    assert "\x1b[3m" in text


def test_wide_matrix_is_cut_to_the_terminal(changed: Changed, matrix: Matrix) -> None:
    columns = tuple(f"dinov2_vit{i}14_reg" for i in range(9))
    cells = tuple(replace(matrix.cells[0], column=column) for column in columns)
    wide = changed(columns=columns, cells=cells)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", render_terminal(wide, tty=True, width=100))
    assert max(map(len, plain.splitlines())) <= 100
    assert plain.count("73.2") == 9
    assert plain.count("crop hit") == 1


def test_names_are_never_read_as_markup(changed: Changed) -> None:
    text = render_terminal(changed(name="[bold]x[/bold] :smile:"), tty=True, width=120)
    assert "[bold]x[/bold] :smile:" in text


def test_without_localisation_its_columns_are_absent(changed: Changed) -> None:
    assert "crop hit" not in render_terminal(changed(localization=()), tty=False)
    assert "Localisation" not in to_markdown(changed(localization=()))
