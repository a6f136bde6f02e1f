"""The images in the rows of one Arrow file."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from a2pipe.datasets.formats import arrow_index
from a2pipe.datasets.formats.arrow_index import index_rows, rows_of
from a2pipe.datasets.images.index import Unreadable
from a2pipe.datasets.images.memo import IndexedImage
from a2pipe.errors import UsageError

from ..tars import picture


def write(path: Path, **columns: list[Any]) -> str:
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return str(path)


def test_a_row_has_its_bytes_the_name_of_a_file_or_neither(tmp_path: Path) -> None:
    rows = [
        {"bytes": picture(1, (8, 6)), "path": "a/1.png"},
        {"bytes": None, "path": "images/2.png"},
        None,
    ]
    file = write(tmp_path / "0.arrow", image=rows)
    digest = hashlib.sha256(picture(1, (8, 6))).hexdigest()[:32]
    assert index_rows(file, "image") == [
        (f"{file}@image[0]/1.png", IndexedImage(digest, 8, 6)),
        (str(tmp_path / "images" / "2.png"), None),
        (f"{file}@image[2]/2", Unreadable("the row has no image")),
    ]


def test_a_row_may_not_name_a_file_elsewhere(tmp_path: Path) -> None:
    file = write(tmp_path / "0.arrow", image=[{"bytes": None, "path": "../a.png"}])
    with pytest.raises(UsageError, match="which is not a path inside that folder"):
        index_rows(file, "image")


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, memo = write(tmp_path / "0.arrow", image=[picture(1)]), tmp_path / "memo" / "images.json"
    first = index_rows(file, "image", memo)
    monkeypatch.setattr(arrow_index, "row_bytes", lambda *_: pytest.fail("an image was read"))
    assert index_rows(file, "image", memo) == first


def test_what_is_no_arrow_file(tmp_path: Path) -> None:
    (tmp_path / "0.arrow").write_bytes(b"text")
    with pytest.raises(UsageError, match=r"0\.arrow is damaged \(not an Arrow stream file"):
        index_rows(str(tmp_path / "0.arrow"), "image")
    with pytest.raises(UsageError, match=r"none\.arrow cannot be read"):
        index_rows(str(tmp_path / "none.arrow"), "image")


def test_values_of_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.arrow", label=[n, 7], place=["x", "y"]) for n in range(2)]
    labels = [row["label"] for row in rows_of(files, ["label", "label"])]
    assert labels == [0, 7, 1, 7]
    assert list(rows_of(files, [])) == [{}] * 4
