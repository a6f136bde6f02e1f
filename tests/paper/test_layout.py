"""Tables in the paper's layout, with our numbers and with the published ones."""

import csv
import io

import pytest

from a2pipe.paper.layout import layout, layout_csv, layout_markdown
from a2pipe.paper.published import published
from a2pipe.paper.results import values

from .kit import BASE, GIANT, LARGE, O2O, SMALL, STAND_INS, result


def test_a_matrix_has_attention_down_and_embedding_across():
    """The published numbers, read off the paper."""
    ours = values([result(11, O2O)])
    lines = list(csv.reader(io.StringIO(layout_csv(layout(11), ours))))
    assert lines == [
        ["row", "attention", SMALL, BASE, LARGE, GIANT],
        ["ViT-S attn", SMALL, "91.0", "89.5", "89.7", "89.2"],
        ["ViT-B attn", BASE, "89.6", "88.4", "88.2", "87.9"],
        ["ViT-L attn", LARGE, "85.2", "82.7", "82.1", "84.6"],
        ["ViT-G attn", GIANT, "86.3", "84.3", "84.6", "83.1"],
    ]


def test_stand_ins_are_named_with_our_numbers_and_not_with_the_published_ones():
    text = layout_markdown(layout(11, STAND_INS), values([result(11, O2O, 1)]), ["few images"])
    ours, theirs = text.split("## Published")
    assert "few images" in ours
    assert "(miniature: tiny)" in ours
    assert "92.0" in ours
    assert "miniature" not in theirs
    assert "91.0" in theirs


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (8, ("accuracy", "wga", "adjusted_accuracy")),
        (6, (O2O, "spawrious-m2m-hard")),
        (21, ("accuracy",)),
    ],
)
def test_the_columns_of_other_tables(table, columns):
    assert set(layout(table).columns) == set(columns)


def test_rows_of_several_models_name_theirs():
    lines = list(csv.reader(io.StringIO(layout_csv(layout(8), values([result(8, "waterbirds")])))))
    assert lines[0] == ["row", "attention", "embedding", "accuracy", "wga", "adjusted_accuracy"]
    assert ["Center Crop", "", SMALL, "90.9", "78.7", ""] in lines
    assert len({tuple(line[:3]) for line in lines}) == len(lines)


@pytest.mark.parametrize("table", sorted({number.table for number in published()}))
def test_every_number_has_its_own_place(table):
    placed = [n for _, numbers in layout(table).lines for n in numbers if n]
    assert sorted(n.key for n in placed) == sorted(n.key for n in published(table))
