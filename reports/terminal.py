"""A matrix for the terminal: colour and weight on a terminal, plain columns in a pipe."""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .grid import DAGGER, INTERVALS, Entry, Grid, grid, percent, span
from .matrix import Matrix, Metric

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_SHORT: dict[Metric, str] = {"accuracy": "acc.", "wga": "WGA", "worst_class": "class"}
_ENTRY = 6  # "100.0†"
_BLANK = "\ue000"  # a space that rich does not strip from a cell's end; unused in any text
_LONGEST = 24  # of a label; longer ones are folded
_WIDEST = 15  # of a column; longer names are broken after their joints
_PLAIN_LEGEND = (
    "In per cent. * best attention of a column; = one model attends and embeds; "
    "+ control or baseline at or above the best attention; - not computed."
)
_RICH_LEGEND = (
    "In per cent. [bold]Bold[/]: best attention of a column; [italic]italic[/]: one model attends "
    f"and embeds; {DAGGER} control or baseline at or above the bold one; – not computed."
)


def render_terminal(matrix: Matrix, *, tty: bool | None = None, width: int | None = None) -> str:
    """The matrix's metrics of every column; mass, hit and crop hit of every row.

    tty: colours and box lines; by default whether stdout is a terminal. Without, the text holds no
    control characters and lines are never wrapped. width: columns to fit when tty; by default the
    terminal's. A matrix wider than that is cut into several tables of some columns each.
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
    """One table a head, or several of some columns each; localisation stands in the first."""
    for head in matrix.heads:
        shown = [grid(matrix, head, metric) for metric in matrix.metrics]
        for i, columns in enumerate(_blocks(shown, room)):
            table = _empty_table(f"{matrix.name}: {head}", tty)
            for j in columns:
                _add_column(table, matrix.columns[j], matrix.metrics, tty)
            localized = i == 0 and bool(matrix.localization)
            for what in ("mass", "hit", "crop hit") if localized else ():
                table.add_column(what, justify="right", no_wrap=True)
            _add_rows(table, matrix, shown, columns, localized, tty)
            yield table


def _blocks(shown: list[Grid], room: int) -> list[range]:
    """The columns cut into runs that fit beside the labels and the localisation columns."""
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
    from rich.text import Text

    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD if tty else None,
        padding=(0, 1),
    )
    table.add_column(Text("attention"), overflow="fold", max_width=_LONGEST if tty else None)
    return table


def _width(metrics: int) -> int:
    """Of a column with so many numbers in every cell."""
    return metrics * (_ENTRY + 1) - 1


def _add_column(table: Table, name: str, metrics: tuple[Metric, ...], tty: bool) -> None:
    from rich.text import Text

    what = "  ".join(f"{_SHORT[metric]:>5}" for metric in metrics)
    heading = Text(f"{_broken(name) if tty else name}\n{what}{_BLANK}")
    width = _width(len(metrics))
    widest = max(width, _WIDEST) if tty else None
    table.add_column(heading, justify="right", overflow="fold", min_width=width, max_width=widest)


def _add_rows(
    table: Table,
    matrix: Matrix,
    shown: list[Grid],
    columns: range,
    localized: bool,
    tty: bool,
) -> None:
    from rich.text import Text

    for lines in zip(*(each.lines for each in shown), strict=True):
        line = lines[0]
        if line.opens and table.row_count:
            table.add_section() if tty else table.add_row()
        cells = [_numbers([each.entries[j] for each in lines], tty) for j in columns]
        places = _localization(matrix, line.row.key, tty) if localized else []
        table.add_row(Text(line.title), *cells, *places)


def _broken(name: str) -> str:
    """The name on lines of at most the widest column, broken after underscore, hyphen or slash."""
    lines = [""]
    for piece in re.findall(r"[^_\-/]*[_\-/]|[^_\-/]+", name):
        if lines[-1] and len(lines[-1]) + len(piece) > _WIDEST:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _numbers(entries: list[Entry], tty: bool) -> Text:
    from rich.text import Text

    if tty:
        numbers = Text(" ").join(_styled(entry) for entry in entries)
    else:
        numbers = Text(" ".join(_plain(entry) for entry in entries))
    if not any(entry.interval for entry in entries):
        return numbers
    ranges = "\n" + " ".join(_range(entry) for entry in entries)
    return Text.assemble(numbers, (ranges, "dim") if tty else _ascii(ranges))


def _range(entry: Entry) -> str:
    """Whole per cents, as wide as the number above with its mark."""
    return f"{span(entry.interval, 0):>5}".ljust(_ENTRY, _BLANK)


def _styled(entry: Entry) -> Text:
    from rich.text import Text

    style = " ".join(["bold"] * entry.best + ["italic"] * entry.diagonal)
    mark = DAGGER if entry.rival else _BLANK
    return Text(f"{entry.text:>5}", style=style) + Text(mark)


def _plain(entry: Entry) -> str:
    marks = "*" * entry.best + "=" * entry.diagonal + "+" * entry.rival
    return f"{_ascii(entry.text):>5}{marks or _BLANK}"


def _localization(matrix: Matrix, row: str, tty: bool) -> list[str]:
    place = matrix.localization_of(row)
    shares = (place.mass, place.hit, place.crop_hit) if place else (None, None, None)
    return [percent(share) if tty else _ascii(percent(share)) for share in shares]


def _ascii(text: str) -> str:
    return text.replace("–", "-")
