"""The page holds the numbers, marks them, escapes everything and asks nobody for anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from jinja2 import UndefinedError

from a2pipe.metrics.groups import GroupAccuracy
from a2pipe.reports.matrix import GalleryItem, Matrix
from a2pipe.reports.page import _environment, breakable, render_page

Changed = Callable[..., Matrix]
NASTY = "<script>alert('x')</script>\" onload='y'&$title{{ 7 * 7 }}{% raw %}"
VOID = {"meta", "link", "img", "br", "wbr"}


class Reader(HTMLParser):
    """Collects tags and attributes, and insists that elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    return reader


def visible(page: str) -> str:
    """The page's text, tags and style sheet removed."""
    body = page[page.index("<body>") :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body.replace("<wbr>", "")))


def test_markup_is_well_formed(matrix: Matrix, gallery: list[GalleryItem]) -> None:
    reader = read(render_page(matrix, gallery, "About."))
    assert {"table", "details", "figure", "caption"} <= {tag for tag, _ in reader.tags}


def test_nothing_is_loaded_from_anywhere(matrix: Matrix, gallery: list[GalleryItem]) -> None:
    page = render_page(matrix, gallery)
    tags = read(page).tags
    assert not any(tag in {"script", "iframe", "object", "base", "form"} for tag, _ in tags)
    links = [value for _, attrs in tags for key, value in attrs.items() if key in {"src", "href"}]
    assert links
    assert all(link is not None and link.startswith("data:") for link in links)
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import|https?://", page)


def test_notes_come_before_any_number(matrix: Matrix) -> None:
    text = visible(render_page(matrix))
    assert text.index(matrix.notes[0]) < text.index("73.2")


def test_best_is_strong_diagonal_em_and_rivals_have_a_dagger(matrix: Matrix) -> None:
    page = render_page(matrix)
    assert "<strong>73.2</strong>" in page
    assert "<em>44.6</em>" in page
    assert re.search(r'33\.0<span class="mark">†</span>', page)


def test_attention_controls_and_baselines_are_separate_bodies(matrix: Matrix) -> None:
    page = render_page(matrix)
    first = page[page.index("<table>") : page.index("</table>")]
    bodies = re.findall(r"<tbody>(.*?)</tbody>", first, re.DOTALL)
    assert [body.count("<tr>") for body in bodies] == [4, 1, 3]


def test_glance_compares_the_best_cell_with_the_full_image(matrix: Matrix) -> None:
    text = visible(render_page(matrix))
    best, full = text.index("73.2 % worst-group"), text.index("13.8 % worst-group")
    assert best < full < text.index("Matrix Per cent")


def test_worst_group_is_underlined(matrix: Matrix) -> None:
    assert "<u>73.2</u>" in render_page(matrix)


def test_an_empty_group_is_a_dash(matrix: Matrix) -> None:
    groups = (*matrix.cells[0].groups, GroupAccuracy("none such", 0, float("nan")))
    page = render_page(replace(matrix, cells=(replace(matrix.cells[0], groups=groups),)))
    assert '<td class="empty">–</td>' in page
    assert "n = 0" in page


@pytest.mark.parametrize("field", ["name", "dataset", "created", "version", "collection"])
def test_every_text_of_the_matrix_is_escaped(changed: Changed, field: str) -> None:
    page = render_page(changed(**{field: NASTY}))
    assert "<script" not in page
    assert "alert(&#39;x&#39;)" in page
    assert "$title{{ 7 * 7 }}{% raw %}" in page


def test_names_notes_and_run_record_are_escaped(matrix: Matrix, changed: Changed) -> None:
    page = render_page(
        changed(
            notes=(NASTY,),
            rows=tuple(replace(row, label=NASTY) for row in matrix.rows),
            run={NASTY: {NASTY: [NASTY, {NASTY: NASTY}]}},
            heads=(NASTY,),
            columns=(NASTY,),
            cells=(replace(matrix.cells[0], head=NASTY, column=NASTY),),
        )
    )
    read(page)
    assert "<script" not in page


def test_gallery_texts_are_escaped(matrix: Matrix, gallery: list[GalleryItem]) -> None:
    item = replace(gallery[0], name=NASTY, label=NASTY, predicted=NASTY, group=NASTY)
    page = render_page(matrix, [item], NASTY)
    images = [attrs for tag, attrs in read(page).tags if tag == "img"]
    assert {attrs["alt"] for attrs in images} == {
        f"{NASTY}: the image with its crops",
        f"{NASTY}: its attention with the crops",
    }
    assert all("onload" not in attrs for attrs in images)
    assert "<script" not in page


def test_gallery_keeps_right_and_wrong_apart_in_every_group(
    matrix: Matrix, gallery: list[GalleryItem]
) -> None:
    text = visible(render_page(matrix, gallery))
    assert text.count("Right (2 shown)") == text.count("Wrong (1 shown)") == 4
    order = [text.index(name, text.index("Images")) for name in matrix.group_names]
    assert order == sorted(order)


def test_gallery_images_have_an_alternative_text(
    matrix: Matrix, gallery: list[GalleryItem]
) -> None:
    images = [attrs for tag, attrs in read(render_page(matrix, gallery)).tags if tag == "img"]
    assert len(images) == 2 * len(gallery)
    assert all(attrs["alt"] for attrs in images)


def test_an_item_without_boxes_or_known_group_is_shown(
    matrix: Matrix, gallery: list[GalleryItem]
) -> None:
    none = np.zeros((0, 4), dtype=np.int32)
    item = replace(gallery[0], boxes=none, truth=none, group="elsewhere")
    assert "elsewhere" in visible(render_page(matrix, [item]))


def test_what_is_absent_has_no_heading(changed: Changed) -> None:
    text = visible(render_page(changed(cells=(), localization=(), notes=(), run={})))
    for heading in ("Groups", "Localisation", "Images", "Run record", "worst-group accuracy,"):
        assert heading not in text


def test_left_out_images_are_announced(matrix: Matrix) -> None:
    cells = tuple(replace(cell, n_left_out=1234) for cell in matrix.cells)
    assert "1,234 images could not be read" in visible(render_page(replace(matrix, cells=cells)))
    assert "could not be read" not in visible(render_page(matrix))


def test_what_a_template_names_and_nobody_gives_is_an_error() -> None:
    """Otherwise a misspelt name would leave a hole in the page."""
    with pytest.raises(UndefinedError, match="mispelt"):
        _environment().from_string("{{ mispelt }}").render()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        *((0, "0"), (1234, "1,234"), (0.12345, "0.1235"), (98765.4, "98,765"), (False, "False")),
        *((None, "none"), ("", "none"), ([], "none"), ({}, "none"), ("text", "text")),
    ],
)
def test_values_of_the_run_record_are_written_for_people(
    changed: Changed, value: object, words: str
) -> None:
    assert f"<dt>key</dt><dd>{words}</dd>" in render_page(changed(run={"key": value}))


def test_run_record_is_folded_and_complete(matrix: Matrix) -> None:
    page = render_page(matrix)
    record = page[page.index("Run record") :]
    assert "<details><summary>" in record
    for text in ("torch", "2.15.0", "12.4", "forward passes", "8,400", "bad images", "0f0f"):
        assert text in record


def test_intervals_stand_under_the_numbers_and_in_the_tiles(matrix: Matrix) -> None:
    cells = tuple(replace(cell, wga_interval=(cell.wga / 2, cell.wga)) for cell in matrix.cells)
    page = render_page(replace(matrix, cells=cells))
    assert "<strong>73.2</strong><small>36.6–73.2</small>" in page
    assert "95 % interval 36.6–73.2" in visible(page)
    assert "95 % interval" not in visible(render_page(matrix))


def test_a_row_that_is_no_attention_is_not_called_so(
    matrix: Matrix, gallery: list[GalleryItem]
) -> None:
    assert "worst-group accuracy, attention of" in visible(render_page(matrix))
    rows = tuple(replace(row, source="votes:49") for row in matrix.rows)
    text = visible(render_page(replace(matrix, rows=rows)))
    assert "worst-group accuracy, boxes by" in text
    item = replace(gallery[0], shows="votes of 49 patches a channel")
    page = render_page(matrix, [item])
    assert "right: its votes of 49 patches a channel, brightest" in visible(page)
    assert f"{item.name}: its votes of 49 patches a channel with the crops" in page


def test_names_of_statistics_are_broken_after_colons_and_not_within() -> None:
    assert breakable("votes:36:paper") == "votes:36:<wbr>paper"
    assert breakable("a patch-score:cls") == ('a <span class="whole">patch-score</span>:<wbr>cls')
