"""CSV, Markdown and terminal tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from a2pipe.reports.matrix import Matrix, Row
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


def with_intervals(matrix: Matrix) -> Matrix:
    """Every cell with the interval 2.04 per cent around its accuracy and 7.04 around its WGA."""
    cells = tuple(
        replace(
            cell,
            accuracy_interval=(max(0, cell.accuracy - 0.0204), min(1, cell.accuracy + 0.0204)),
            wga_interval=(max(0, cell.wga - 0.0704), min(1, cell.wga + 0.0704)),
        )
        for cell in matrix.cells
    )
    return replace(matrix, cells=cells)


def test_csv_has_the_ends_of_intervals_or_leaves_them_empty(matrix: Matrix) -> None:
    ends = ("accuracy_low", "accuracy_high", "wga_low", "wga_high")
    first = next(csv.DictReader(io.StringIO(to_csv(with_intervals(matrix)))))
    assert [float(first[end]) for end in ends[2:]] == pytest.approx([0.6616, 0.8024])
    assert [next(csv.DictReader(io.StringIO(to_csv(matrix))))[end] for end in ends] == [""] * 4


def test_markdown_shows_intervals_behind_the_numbers(matrix: Matrix) -> None:
    text = to_markdown(with_intervals(matrix))
    assert "| **73.2** (66.2–80.2) |" in text
    assert "| 33.0† (26.0–40.0) |" in text
    assert "Ranges: 95 % confidence intervals." in text
    assert "Ranges" not in to_markdown(matrix)


def test_terminal_shows_intervals_under_the_numbers_rounded_outwards(matrix: Matrix) -> None:
    lines = render_terminal(with_intervals(matrix), tty=False).splitlines()
    at = next(i for i, line in enumerate(lines) if "3×3" in line)
    assert lines[at + 1].split() == ["84-89", "66-81", "43-48", "24-39"]
    assert [lines[at].index(n) + 4 for n in ("86.9", "73.2")] == [
        lines[at + 1].index(r) + 5 for r in ("84-89", "66-81")
    ]
    assert "Ranges" in lines[-1]


def test_intervals_widen_no_terminal_table(matrix: Matrix) -> None:
    plain, wider = (
        [
            max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines()[:-4])
            for text in (render_terminal(each, tty=True, width=120) for each in pair)
        ]
        for pair in ([matrix], [with_intervals(matrix)])
    )
    assert plain == wider
