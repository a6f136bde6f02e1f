"""The table of a manifest: its cells as text, its columns by name, its rows with boxes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from a2pipe.datasets.formats.manifest_table import (
    COLUMNS,
    ManifestTable,
    check_columns,
    read_table,
    samples_with_boxes,
)
from a2pipe.errors import UsageError


def table(text: str, **columns: str) -> ManifestTable:
    """A table of words parted by spaces, a line for each row; "-" is an empty cell."""
    header, *rows = (line.split() for line in text.strip().splitlines())
    cells = [["" if cell == "-" else cell for cell in row] for row in rows]
    return ManifestTable("t.csv", pd.DataFrame(cells, columns=header, dtype="string"), columns)


def test_cells_are_text_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\nNA,01\nnull,\n")
    found = read_table(tmp_path / "t.csv", {})
    assert found.required("path").tolist() == ["NA", "null"]
    assert found.required("label").tolist() == ["01", ""]


def test_parquet_becomes_text_as_well(tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": ["a"], "label": pd.array([3], "Int64"), "x0": [0.5]})
    frame.to_parquet(tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet", {})
    assert [found.required(name)[0] for name in ("path", "label", "x0")] == ["a", "3", "0.5"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "does not exist"),
        ("t.parquet", b"PAR1 broken", "cannot be read as a table"),
        ("t.csv", b"path,label\n\xff\xfe,x\n", "cannot be read as a table"),
        ("t.xlsx", b"", "neither .csv nor .parquet"),
        ("t.csv", b"path,label\n", "has no rows"),
        ("t.csv", b"path,label\na,b,c\n", "more cells than its header"),
    ],
)
def test_file_that_is_no_table(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_table(tmp_path / name, {})


def test_a_column_goes_by_its_name_its_alias_or_what_is_said() -> None:
    found = table("path place species\na land wren", label="species")
    assert found.required("attribute").tolist() == ["land"]
    assert found.required("label").tolist() == ["wren"]
    assert found.optional("group") is None


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"t\.csv has no column 'label' \(its columns: path\)"):
        table("path\na").required("label")
    with pytest.raises(UsageError, match=r"no column 'y' \(its columns: path, label\): name"):
        table("path label\na x", label="y").optional("label")


def test_an_unknown_name_of_a_column() -> None:
    check_columns(["label"], COLUMNS, "A manifest has no column")
    with pytest.raises(UsageError, match="has no column 'lable': did you mean 'label'"):
        check_columns(["lable"], COLUMNS, "A manifest has no column")


def test_the_first_bad_row_is_shown_with_its_value() -> None:
    found = table("path kind\na x\nb y\nc z", label="kind")
    found.refuse_rows([False] * 3, "label", "is bad")
    with pytest.raises(UsageError, match=r"^t\.csv, row 2: label \('y'\) is bad\.$"):
        found.refuse_rows([False, True, True], "label", "is bad")


def test_rows_that_agree_are_one_sample_in_the_order_of_first_rows() -> None:
    found = table("key x0 y0 x1 y1\nb 0 0 2 2\na 1 1 3 3\nb 4 4 5.5 6\na - - - -")
    samples = samples_with_boxes(found, [found.frame["key"]])
    assert samples.rows.tolist() == [0, 1, 3]
    assert [boxes.tolist() for boxes in samples.boxes] == [
        [[0, 0, 2, 2], [4, 4, 5.5, 6]],
        [[1, 1, 3, 3]],
        [],
    ]
    assert {boxes.dtype for boxes in samples.boxes} == {np.dtype(np.float64)}


def test_without_corners_every_row_is_a_sample() -> None:
    found = table("key\na\na")
    assert samples_with_boxes(found, [found.frame["key"]]).rows.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("0 0 two 2", r"row 1: x1 \('two'\) is not a number"),
        ("0 0 - 2", "row 1: box lacks some of"),
        ("2 0 2 2", "row 1: box has no area"),
    ],
)
def test_boxes_that_are_none(box: str, message: str) -> None:
    found = table(f"key x0 y0 x1 y1\na {box}")
    with pytest.raises(UsageError, match=message):
        samples_with_boxes(found, [found.frame["key"]])
