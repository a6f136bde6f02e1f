"""Turn a matrix into text: colour and weight on a terminal, plain columns in a pipe."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .grid import DAGGER, INTERVALS, Entry, Grid, grid, located, percent, span
from .labels import wrapped
from .matrix import Matrix, Metric

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_SHORT: dict[Metric, str] = {"accuracy": "acc.", "wga": "WGA", "worst_class": "class"}
_ENTRY = 6  # characters of "100.0†"
_BLANK = "\ue000"  # a space that rich does not strip from a cell's end; no text has this character
_LONGEST = 24  # characters of a label; longer ones are folded
_WIDEST = 15  # characters of a column; longer names are broken
_PLAIN_LEGEND = (
    "In per cent. * best attention of a column; = one model attends and embeds; "
    "+ control or baseline at or above the best attention; - not computed."
)
_RICH_LEGEND = (
    "In per cent. [bold]Bold[/]: best attention of a column; [italic]italic[/]: one model attends "
    f"and embeds; {DAGGER} control or baseline at or above the bold one; – not computed."
)


def render_terminal(matrix: Matrix, *, tty: bool | None = None, width: int | None = None) -> str:
    """Return the matrix as tables of text: its metrics, and the localisation of every row.

    tty: whether to use colours and lines; by default, whether stdout is a terminal. Without them
        the text holds no control characters, and its lines are never wrapped.
    width: the columns to fit on a terminal; by default the terminal's. A matrix that is wider is
        cut into several tables of some columns each.
    """
    from rich.console import Console

    tty = sys.stdout.isatty() if tty is None else tty
    room = (width or shutil.get_terminal_size().columns) if tty else 1_000_000
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=tty, width=room, emoji=False, highlight=False, soft_wrap=not tty
    )
    for table in _tables(matrix, room, tty):
        console.print(table)
    console.print(_RICH_LEGEND if tty else _PLAIN_LEGEND, markup=tty)
    if any(cell.accuracy_interval or cell.wga_interval for cell in matrix.cells):
        console.print(INTERVALS)
    left_out = max((cell.n_left_out for cell in matrix.cells), default=0)
    if left_out:
        console.print(f"Left out of every number, as their images are bad: {left_out:,} samples.")
    lines = text.getvalue().replace(_BLANK, " ").splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _tables(matrix: Matrix, room: int, tty: bool) -> Iterator[Table]:
    """Yield a table for each head, or several of some columns; the first has the localisation."""
    shares = {place.row.key: place.found.shares for place in located(matrix)}
    for head in matrix.heads:
        shown = [grid(matrix, head, metric) for metric in matrix.metrics]
        for i, columns in enumerate(_runs(shown, room)):
            table = _empty_table(f"{matrix.name}: {head}", tty)
            for name in matrix.columns[columns.start : columns.stop]:
                _add_column(table, name, matrix.metrics, tty)
            localized = i == 0 and bool(shares)
            for what in ("mass", "hit", "crop hit") if localized else ():
                table.add_column(what, justify="right", no_wrap=True)
            for lines in zip(*(each.lines for each in shown), strict=True):
                row, title = lines[0].row, lines[0].title
                if lines[0].opens and table.row_count:
                    table.add_section() if tty else table.add_row()
                cells = [_numbers([each.entries[j] for each in lines], tty) for j in columns]
                places = shares.get(row.key, (None,) * 3) if localized else ()
                table.add_row(_text(title), *cells, *(_shown(percent(s), tty) for s in places))
            yield table


def _runs(shown: list[Grid], room: int) -> list[range]:
    """Cut the columns into runs that fit beside the labels and the localisation columns."""
    first = shown[0]
    label = min(_LONGEST, max((len(line.title) for line in first.lines), default=0))
    names = (min(len(name), _WIDEST) for name in first.columns)
    each = max([_width(len(shown)), *names]) + 2
    fit = max(1, (room - label - 32) // each)
    total = len(first.columns)
    return [range(at, min(at + fit, total)) for at in range(0, total, fit)]


def _empty_table(title: str, tty: bool) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=_text(title),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD if tty else None,
        padding=(0, 1),
    )
    table.add_column(_text("attention"), overflow="fold", max_width=_LONGEST if tty else None)
    return table


def _width(metrics: int) -> int:
    """Return how many characters a column has with so many numbers in a cell."""
    return metrics * (_ENTRY + 1) - 1


def _add_column(table: Table, name: str, metrics: tuple[Metric, ...], tty: bool) -> None:
    what = "  ".join(f"{_SHORT[metric]:>5}" for metric in metrics)
    heading = _text(f"{wrapped(name, _WIDEST) if tty else name}\n{what}{_BLANK}")
    width = _width(len(metrics))
    widest = max(width, _WIDEST) if tty else None
    table.add_column(heading, justify="right", overflow="fold", min_width=width, max_width=widest)


def _numbers(entries: list[Entry], tty: bool) -> Text:
    """Return the numbers of a cell, and their intervals on a second line if they have any."""
    numbers = _text(" ").join(_styled(entry) if tty else _text(_plain(entry)) for entry in entries)
    if any(entry.interval for entry in entries):
        # Whole per cents, as wide as the number above with its mark.
        ranges = (f"{span(entry.interval, 0):>5}".ljust(_ENTRY, _BLANK) for entry in entries)
        numbers.append(_shown("\n" + " ".join(ranges), tty), "dim" if tty else None)
    return numbers


def _styled(entry: Entry) -> Text:
    style = " ".join(["bold"] * entry.best + ["italic"] * entry.diagonal)
    return _text(f"{entry.text:>5}", style) + _text(DAGGER if entry.rival else _BLANK)


def _plain(entry: Entry) -> str:
    marks = "*" * entry.best + "=" * entry.diagonal + "+" * entry.rival
    return f"{_shown(entry.text, False):>5}{marks or _BLANK}"


def _text(text: str, style: str = "") -> Text:
    """Return text that rich shows as it is, whatever brackets there are in it."""
    from rich.text import Text

    return Text(text, style=style)


def _shown(text: str, tty: bool) -> str:
    """Return the text, in a pipe with hyphens for dashes, which not every encoding has."""
    return text if tty else text.replace("–", "-")
