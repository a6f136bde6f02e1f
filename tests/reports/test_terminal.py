"""A matrix as tables of text, on a terminal and in a pipe."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from a2pipe.reports.matrix import Matrix
from a2pipe.reports.tables import to_markdown
from a2pipe.reports.terminal import render_terminal

Changed = Callable[..., Matrix]


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


def test_terminal_shows_intervals_under_the_numbers_rounded_outwards(
    with_intervals: Matrix,
) -> None:
    lines = render_terminal(with_intervals, tty=False).splitlines()
    at = next(i for i, line in enumerate(lines) if "3×3" in line)
    assert lines[at + 1].split() == ["84-89", "66-81", "43-48", "24-39"]
    assert [lines[at].index(n) + 4 for n in ("86.9", "73.2")] == [
        lines[at + 1].index(r) + 5 for r in ("84-89", "66-81")
    ]
    assert "Ranges" in lines[-1]


def test_intervals_widen_no_terminal_table(matrix: Matrix, with_intervals: Matrix) -> None:
    plain, wider = (
        [
            max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines()[:-4])
            for text in (render_terminal(each, tty=True, width=120) for each in pair)
        ]
        for pair in ([matrix], [with_intervals])
    )
    assert plain == wider
