"""Turn lists of plain values into aligned text, such as `a2pipe cache ls` prints."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = {"fingerprint": 12}
"""So many characters of a column are shown: commands take a fingerprint by its first digits."""


def plain_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows with the same keys as a table whose lines are never wrapped.

    The keys of the first row name the columns. A column is aligned to the right if any row has a
    number there.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for key in rows[0]:
        number = any(isinstance(row[key], int | float) for row in rows)
        table.add_column(key.replace("_", " "), justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_text(value)[: SHOWN.get(key)] for key, value in row.items()))
    text = io.StringIO()
    Console(file=text, width=1_000_000, markup=False, highlight=False).print(table, markup=False)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if is_count else str(value)
