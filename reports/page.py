"""The report as one HTML page: no script, no request, inlined pictures; light, dark, phone, print.

A content security policy in the page forbids everything but inlined styles and pictures. All text
that comes from an experiment is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.resources import files
from itertools import groupby
from string import Template

from . import markup
from .gallery import gallery_section
from .grid import (
    DAGGER,
    DASH,
    Entry,
    Grid,
    grids,
    legend,
    ordered_rows,
    percent,
    span,
    titles,
)
from .markup import tag
from .results import Cell, GalleryItem, Matrix, Row


def render_page(
    matrix: Matrix, gallery: Sequence[GalleryItem] = (), about_gallery: str = ""
) -> str:
    """The whole page as text.

    gallery: images to show, sorted here by group and by right and wrong.
    about_gallery: one sentence on which attention and which embedding the gallery shows.
    """
    sections = [
        _glance(matrix),
        _matrix_section(matrix),
        _groups_section(matrix),
        _localization_section(matrix),
        gallery_section(matrix.group_names, gallery, about_gallery),
        _run_section(matrix),
    ]
    return Template(_template("page.html")).substitute(
        version=markup.text(matrix.version),
        title=markup.text(f"{matrix.name}: attention × embedding"),
        style=_template("page.css"),
        heading=markup.name(matrix.name),
        facts=_facts(matrix),
        notes=_notes(matrix),
        main="\n".join(section for section in sections if section),
        footer=_footer(matrix),
    )


def _template(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _facts(matrix: Matrix) -> str:
    sizes = sorted({(cell.n_train, cell.n_test) for cell in matrix.cells})
    images = [f"{train:,} training and {test:,} test images" for train, test in sizes]
    images = images if len(images) == 1 else []
    parts = [matrix.dataset, f"{len(matrix.class_names)} classes", *images, _moment(matrix.created)]
    return "".join(tag("span", markup.text(part)) for part in parts)


def _moment(created: str) -> str:
    """An ISO 8601 moment to the minute, as people write it; anything else as it is."""
    try:
        return datetime.fromisoformat(created).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return created


def _notes(matrix: Matrix) -> str:
    paragraphs = "".join(tag("p", markup.text(note)) for note in matrix.notes)
    return tag("div", paragraphs, class_="notes") if matrix.notes else ""


def _glance(matrix: Matrix) -> str:
    """The best worst-group accuracy by attention, and what the full image gives that embedding."""
    attended = {row.key: row for row in matrix.rows if row.kind == "attention"}
    cells = [each for each in matrix.cells if each.row in attended and not math.isnan(each.wga)]
    if not cells:
        return ""
    best = max(cells, key=lambda cell: cell.wga)
    names = titles(matrix)
    tiles = [_tile(best, f"attention of {names[best.row]}", "highest of the matrix")]
    for row in matrix.rows:
        cell = (
            matrix.cell(row.key, best.column, best.head)
            if row.baseline.split("@")[0] == "full"
            else None
        )
        tiles += [_tile(cell, names[row.key], "same embedding and head")] if cell else []
    return tag("ul", "".join(tiles), class_="glance")


def _tile(cell: Cell, source: str, why: str) -> str:
    value = tag("b", f"{percent(cell.wga)} %")
    what = tag("span", markup.name(f"worst-group accuracy, {source}"))
    how = tag("small", markup.name(f"{why}: embedded by {cell.column}, {cell.head} head"))
    sure = f"95 % interval {span(cell.wga_interval)}" if cell.wga_interval else ""
    return tag("li", value + what + how + (tag("small", sure) if sure else ""))


def _matrix_section(matrix: Matrix) -> str:
    shown = grids(matrix)
    layout = "pair wide" if len(matrix.columns) > 4 else "pair"
    parts = [tag("h2", "Matrix")]
    intro = "Per cent of the test split. Rows: what chose the boxes. Columns: what embedded them. "
    parts.append(tag("p", markup.text(intro + legend(shown)), class_="note"))
    for head in matrix.heads:
        tables = [_grid_table(each) for each in shown if each.head == head]
        parts.append(tag("div", "".join(tables), class_=layout))
    left_out = max((cell.n_left_out for cell in matrix.cells), default=0)
    if left_out:
        words = f"Up to {left_out:,} images could not be read and are left out of every number."
        parts.append(tag("p", markup.text(words), class_="note"))
    return "\n".join(parts)


def _grid_table(shown: Grid) -> str:
    values = [entry.value for line in shown.lines for entry in line.entries]
    shades = _shades(values)
    rows = {
        line.row.key: markup.row(line.title, [_entry(entry, shades) for entry in line.entries])
        for line in shown.lines
    }
    head = ["attention", *map(markup.name, shown.columns)]
    blocks = _blocks([line.row for line in shown.lines], rows)
    return markup.table(f"{shown.title}, {shown.head}", head, blocks)


def _blocks(rows: list[Row], lines: dict[str, str]) -> Iterator[list[str]]:
    """The table rows there are, one group each for attention rows, controls and baselines."""
    for _, block in groupby(rows, key=lambda row: row.kind):
        present = [lines[row.key] for row in block if row.key in lines]
        if present:
            yield present


def _shades(values: Sequence[float]) -> tuple[float, float]:
    defined = [value for value in values if not math.isnan(value)]
    return (min(defined), max(defined)) if defined else (0.0, 0.0)


def _entry(entry: Entry, shades: tuple[float, float]) -> str:
    if math.isnan(entry.value):
        return tag("td", DASH, class_="empty")
    inner = markup.text(entry.text)
    inner = tag("strong", inner) if entry.best else inner
    inner = tag("em", inner) if entry.diagonal else inner
    mark = tag("span", DAGGER, class_="mark") if entry.rival else ""
    interval = tag("small", span(entry.interval)) if entry.interval else ""
    return tag("td", inner + mark + interval, style=f"--level:{_level(entry.value, shades):.0f}")


def _level(value: float, shades: tuple[float, float]) -> float:
    """Place of the value between lowest and highest, 0 to 100."""
    low, high = shades
    return 100 * (value - low) / (high - low) if high > low else 50.0


def _groups_section(matrix: Matrix) -> str:
    pairs = [(head, column) for head in matrix.heads for column in matrix.columns]
    tables = [_groups_table(matrix, head, column) for head, column in pairs]
    shown = [(pair, each) for pair, each in zip(pairs, tables, strict=True) if each]
    if not shown:
        return ""
    intro = tag("p", "Accuracy within each group. Underlined: the worst group.", class_="note")
    folded = [
        tag("details", tag("summary", markup.name(f"{column}, {head}")) + each, **_open(i == 0))
        for i, ((head, column), each) in enumerate(shown)
    ]
    return "\n".join([tag("h2", "Groups"), intro, *folded])


def _open(is_open: bool) -> dict[str, str]:
    return {"open": ""} if is_open else {}


def _groups_table(matrix: Matrix, head: str, column: str) -> str:
    names, rows = titles(matrix), ordered_rows(matrix)
    cells = {row.key: matrix.cell(row.key, column, head) for row in rows}
    found = {key: cell for key, cell in cells.items() if cell is not None and cell.groups}
    if not found:
        return ""
    counts = {group.name: group.n for cell in found.values() for group in cell.groups}
    heads = ["attention", *(markup.name(g) + tag("small", f"n = {counts[g]:,}") for g in counts)]
    shades = _shades([100 * group.accuracy for cell in found.values() for group in cell.groups])
    lines = {
        key: markup.row(names[key], [_group(cell, name, shades) for name in counts])
        for key, cell in found.items()
    }
    return markup.table("Accuracy by group", heads, _blocks(rows, lines))


def _group(cell: Cell, name: str, shades: tuple[float, float]) -> str:
    share = next((each.accuracy for each in cell.groups if each.name == name), math.nan)
    if math.isnan(share):
        return tag("td", DASH, class_="empty")
    inner = tag("u", percent(share)) if name == cell.worst_group else percent(share)
    return tag("td", inner, style=f"--level:{_level(100 * share, shades):.0f}")


def _localization_section(matrix: Matrix) -> str:
    names, rows = titles(matrix), ordered_rows(matrix)
    places = [(row, matrix.localization_of(row.key)) for row in rows]
    lines = {
        row.key: markup.row(
            names[row.key],
            [
                tag("td", f"{place.n:,}"),
                *(tag("td", percent(s)) for s in (place.mass, place.hit, place.crop_hit)),
            ],
        )
        for row, place in places
        if place is not None
    }
    if not lines:
        return ""
    head = ["attention", "images", "mass in box", "hit", "crop hit"]
    note = (
        "Per cent, against the ground-truth boxes. Mass: attention inside the box. Hit: images "
        "whose attention peaks inside it. Crop hit: images whose crops cover at least half of it."
    )
    table = markup.table(
        "Attention and crops against ground truth", head, _blocks(rows, lines), note
    )
    return tag("h2", "Localisation") + table


def _run_section(matrix: Matrix) -> str:
    if not matrix.run:
        return ""
    summary = tag("summary", "Versions, device, times, images")
    record = {**matrix.run, "collection": matrix.collection}
    return tag("h2", "Run record") + tag("details", summary + markup.facts(record))


def _footer(matrix: Matrix) -> str:
    words = f"Made by a2pipe {matrix.version} on {_moment(matrix.created)}."
    return tag("p", markup.text(words)) + tag(
        "p", "matrix.json beside this page holds every number."
    )
