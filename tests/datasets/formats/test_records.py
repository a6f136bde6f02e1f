"""Samples that are described one by one become the rows of a table."""

from typing import Any

import pytest

from a2pipe.datasets.formats.records import cell_text, parse_boxes, table_from_records
from a2pipe.errors import UsageError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (3.0, "3"),
        (0.5, "0.5"),
        (True, "true"),
        (7, "7"),
        ("01", "01"),
    ],
)
def test_values_as_cells(value: Any, text: str) -> None:
    assert cell_text(value) == text


def test_a_row_for_each_box_and_one_for_a_record_without() -> None:
    records = [{"image_id": "a", "label": 1}, {"image_id": "b", "label": None}]
    table = table_from_records("x.tar", records, [[[0, 1, 2, 3], [0.1, 0, 1, 1]], []], {})
    assert table.frame["image_id"].tolist() == ["a", "a", "b"]
    assert table.frame["label"].tolist() == ["1", "1", ""]
    assert table.frame["x0"].tolist() == ["0.0", "0.1", ""]
    assert table.records is not None
    assert table.records.tolist() == [0, 0, 1]


def test_errors_name_a_record_by_its_image_id() -> None:
    table = table_from_records("x.tar", [{"image_id": "cat/7", "label": "?"}], [[]], {})
    with pytest.raises(UsageError, match=r"^x\.tar, cat/7: label \('\?'\) is bad"):
        table.refuse_rows([True], "label", "is bad")


def test_boxes_of_json() -> None:
    assert parse_boxes("a.json", None) == []
    assert parse_boxes("a.json", [[0, 1, 2.5, 3]]) == [[0.0, 1.0, 2.5, 3.0]]


@pytest.mark.parametrize("value", ["0 0 1 1", [0, 0, 1, 1], [[0, 0, 1]], [[0, 0, 1, "1"]], {}])
def test_other_boxes_are_refused(value: Any) -> None:
    with pytest.raises(UsageError, match=r"a\.json: boxes must be a list of \[x0, y0, x1, y1\]"):
        parse_boxes("a.json", value)
