"""Commands print their results through these functions."""

import json
from collections.abc import Iterable
from typing import Any

import click


def emit(rows: Any, as_json: bool, empty: str = "nothing") -> None:
    """Print rows of plain values as an aligned table, or as JSON.

    rows: mappings of column to value. empty: what is printed in place of a table without rows.
    """
    if as_json:
        click.echo(json.dumps(rows))
        return
    from ..reports.listing import plain_table

    click.echo(plain_table(rows) if rows else empty)


def emit_all(
    content: Any, rows: Any, below: Iterable[str], as_json: bool, empty: str = "nothing"
) -> None:
    """Print `content` as JSON, or the rows as a table and the lines below it."""
    emit(content if as_json else rows, as_json, empty)
    for line in () if as_json else below:
        click.echo(line)
