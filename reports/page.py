"""The report is one HTML page without scripts and requests, for light, dark, phone and print.

`templates/page.html` is the page; this module computes what it shows. Jinja2 escapes every value
(autoescape), and a content security policy in the page forbids everything but inlined styles and
pictures.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby, product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .grid import (
    DAGGER,
    Entry,
    Grid,
    Line,
    Place,
    grids,
    legend,
    located,
    ordered_rows,
    percent,
    span,
    titles,
)
from .matrix import Cell, GalleryItem, Matrix, Row
from .overlay import draw_attention, draw_boxes

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


@dataclass(frozen=True)
class GroupTable:
    """A GroupTable holds the accuracies of every group under one embedding model.

    column: the name of the embedding model.
    counts: the test images by name of the group.
    grid: a column for each group, and a line for each row that has accuracies by group.
    """

    column: str
    counts: dict[str, int]
    grid: Grid


def render_page(
    matrix: Matrix, gallery: Sequence[GalleryItem] = (), about_gallery: str = ""
) -> str:
    """Return the page as HTML text.

    matrix: what the page shows.
    gallery: images to show; the page sorts them by group and by right and wrong.
    about_gallery: one sentence on which attention and which embedding the gallery shows.
    """
    shown = grids(matrix)
    others = sorted({item.group for item in gallery} - set(matrix.group_names))
    record = {key.replace("_", " "): value for key, value in matrix.run.items()}
    page = _environment().get_template("page.html")
    return page.render(
        matrix=matrix,
        sizes={(cell.n_train, cell.n_test) for cell in matrix.cells},
        glance=_glance(matrix),
        grids=shown,
        legend=legend(shown),
        left_out=max((cell.n_left_out for cell in matrix.cells), default=0),
        groups=list(_group_tables(matrix)),
        places=located(matrix),
        gallery=gallery,
        gallery_groups=[*matrix.group_names, *others],
        about_gallery=about_gallery,
        record={**record, "collection": matrix.collection},
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Strict, as a misspelt name would otherwise leave a hole in the page.
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"dagger": DAGGER}
    environment.filters |= {"number": "{:,}".format}
    environment.filters |= {filter.__name__: filter for filter in _FILTERS}
    return environment


# --- filters ------------------------------------------------------------------------------------


def breakable(text: str) -> Markup:
    """Return escaped text that a browser may break after the underscores, hyphens, slashes and
    colons of a name, but not within "patch-score"."""
    from markupsafe import Markup, escape

    broken = re.sub(r"([_\-/:])(?=\w{3})", r"\1<wbr>", str(escape(text)))
    # A browser breaks after a hyphen of its own accord.
    return Markup(
        re.sub(r"\b(patch|pooled)-<wbr>score\b", r'<span class="whole">\1-score</span>', broken)
    )


def by_kind(lines: Iterable[Line | Place]) -> list[list[Line | Place]]:
    """Return lines in runs of one kind of row, which a table separates by a gap."""
    return [list(block) for _, block in groupby(lines, key=lambda line: line.row.kind)]


def fact(value: Any) -> str:
    """Return a number, text or None of the run record as people write it."""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value) if value or value is False else "none"


def jpeg(image: NDArray[np.uint8]) -> str:
    """Return an image, uint8 (H, W, 3), as the data URI of a JPEG of high quality."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, format="JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def with_boxes(item: GalleryItem) -> NDArray[np.uint8]:
    """Return the image of a gallery item with its boxes, uint8 (H, W, 3)."""
    return draw_boxes(item.image, item.boxes, item.truth)


def with_attention(item: GalleryItem) -> NDArray[np.uint8]:
    """Return the image of a gallery item under its map, uint8 (H, W, 3)."""
    return draw_attention(item.image, item.attention, item.boxes, item.truth)


def level(value: float, limits: tuple[float, float]) -> int:
    """Return the place of a value between the lowest and the highest one, from 0 to 100."""
    low, high = limits
    return round(100 * (value - low) / (high - low)) if high > low else 50


def to_the_minute(created: str) -> str:
    """Return an ISO 8601 moment to the minute, as people write it; anything else as it is."""
    try:
        return datetime.fromisoformat(created).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return created


# --- contents -----------------------------------------------------------------------------------


_FILTERS = (
    *(breakable, by_kind, fact, jpeg, level, percent, span, to_the_minute),
    *(with_attention, with_boxes),
)


def _glance(matrix: Matrix) -> list[tuple[Cell, str]]:
    """Return the cells at the top of the page, each with words for what chose its boxes.

    The first has the best worst-group accuracy by attention; the others are of the full image with
    the same embedding and head.
    """
    attended = {row.key for row in matrix.rows if row.kind == "attention"}
    cells = [each for each in matrix.cells if each.row in attended and not math.isnan(each.wga)]
    if not cells:
        return []
    best = max(cells, key=lambda cell: cell.wga)
    names = titles(matrix)
    words = {row.key: _by(row, names[row.key]) for row in matrix.rows}
    full = [row.key for row in matrix.rows if row.baseline.split("@")[0] == "full"]
    found = [best, *(matrix.cell(key, best.column, best.head) for key in full)]
    return [(cell, words[cell.row]) for cell in found if cell]


def _by(row: Row, title: str) -> str:
    """Return what chose the boxes of a row in words: "attention of dinov2_vits14, 64 px"."""
    if row.kind != "attention":
        return title
    # A map of votes is no attention; rows of older files are all of attention.
    return f"{'attention of' if row.source in ('', 'attention') else 'boxes by'} {title}"


def _group_tables(matrix: Matrix) -> Iterator[GroupTable]:
    """Yield a table for each head and embedding model that has accuracies by group."""
    names, rows = titles(matrix), ordered_rows(matrix)
    for head, column in product(matrix.heads, matrix.columns):
        cells = [(row, matrix.cell(row.key, column, head)) for row in rows]
        found = [(row, cell) for row, cell in cells if cell and cell.groups]
        counts = {group.name: group.n for _, cell in found for group in cell.groups}
        lines = [
            Line(row, names[row.key], False, _group_entries(cell, counts)) for row, cell in found
        ]
        if lines:
            grid = Grid(head, "groups", "Accuracy by group", tuple(counts), tuple(lines))
            yield GroupTable(column, counts, grid)


def _group_entries(cell: Cell, names: Iterable[str]) -> tuple[Entry, ...]:
    shares = {group.name: group.accuracy for group in cell.groups}
    return tuple(
        Entry(percent(share), 100 * share, worst=name == cell.worst_group)
        for name, share in ((name, shares.get(name, math.nan)) for name in names)
    )
