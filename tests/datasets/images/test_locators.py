"""Locators: text that stands for an image inside an archive."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.datasets.images.image_files import open_file
from a2pipe.datasets.images.locators import ArrowRow, TarMember, parse_locator
from a2pipe.errors import BadImageError

from ..tars import picture, write_tar

NAMES = st.text(min_size=1).filter(lambda name: "\0" not in name)
NUMBERS = st.integers(0, 1 << 50)


@given(NUMBERS, NUMBERS, NAMES)
def test_members_survive_as_text(offset: int, size: int, name: str) -> None:
    member = TarMember("/data/a@1+2/b.tar", offset, size, name)
    assert parse_locator(str(member)) == member or ".tar@" in name.lower()


@given(NUMBERS, st.sampled_from(["image", "the image", "a[0]", "@"]), NAMES)
def test_rows_survive_as_text(row: int, column: str, name: str) -> None:
    located = ArrowRow("/data/train/0.arrow", column, row, name)
    assert parse_locator(str(located)) == located or "]/" in name


def test_in_words() -> None:
    assert str(TarMember("/d/a.tar", 512, 9, "cat/1.jpg")) == "/d/a.tar@512+9/cat/1.jpg"
    assert str(ArrowRow("/d/0.arrow", "image", 7, "1.jpg")) == "/d/0.arrow@image[7]/1.jpg"
    assert Path(str(TarMember("/d/a.tar", 512, 9, "cat/1.jpg"))).name == "1.jpg"


@pytest.mark.parametrize(
    "path", ["/a/b.jpg", "/a/me@home/b.jpg", "/a/b.tar", "/a/b.tar@1/c.jpg", "/a.tar@x+1/c.jpg"]
)
def test_paths_of_files_are_none(path: str) -> None:
    assert parse_locator(path) is None


def test_opening_a_member(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"1.png": picture(1), "2.png": picture(2)})
    member = TarMember(str(tar), 512, len(picture(1)), "1.png")
    with open_file(str(member)) as handle:
        assert handle.read() == picture(1)
    with open_file(Path(str(member))) as handle:
        assert handle.read() == picture(1)


def test_opening_what_is_no_longer_there(tmp_path: Path) -> None:
    member = TarMember(str(tmp_path / "a.tar"), 512, 10, "1.png")
    with pytest.raises(BadImageError, match="the file that holds it is missing"):
        open_file(str(member))
    write_tar(tmp_path / "a.tar", {})
    with pytest.raises(BadImageError, match="its archive is cut short"):
        open_file(str(TarMember(str(tmp_path / "a.tar"), 1 << 20, 10, "1.png")))
    with pytest.raises(BadImageError, match="larger than 1,024 MiB"):
        open_file(str(TarMember(str(tmp_path / "a.tar"), 0, (1 << 30) + 1, "1.png")))


def test_opening_a_row(tmp_path: Path) -> None:
    table = pa.table({"image": [{"bytes": b"one", "path": "1.png"}, None], "raw": [b"1", b"2"]})
    file = tmp_path / "0.arrow"
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with open_file(str(ArrowRow(str(file), "image", 0, "1.png"))) as handle:
        assert handle.read() == b"one"
    with open_file(str(ArrowRow(str(file), "raw", 1, "1.png"))) as handle:
        assert handle.read() == b"2"
    for column, row, reason in (
        ("image", 1, "the row has no image"),
        ("image", 2, "no longer has this row"),
        ("other", 0, "no column 'other'"),
    ):
        with pytest.raises(BadImageError, match=reason):
            open_file(str(ArrowRow(str(file), column, row, "x")))


def test_opening_a_row_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "0.arrow").write_bytes(b"text, no Arrow")
    with pytest.raises(BadImageError, match="not an Arrow stream file"):
        open_file(str(ArrowRow(str(tmp_path / "0.arrow"), "image", 0, "x")))
    with pytest.raises(BadImageError, match="is missing"):
        open_file(str(ArrowRow(str(tmp_path / "1.arrow"), "image", 0, "x")))


@pytest.mark.parametrize(
    "located",
    [
        TarMember("/d/x.tar", 512, 9, "a.tar@0+10/b.jpg"),
        ArrowRow("/d/x.arrow", "image", 7, "y.arrow@image[0]/b.jpg"),
    ],
)
def test_a_name_does_not_choose_the_archive(located: TarMember | ArrowRow) -> None:
    assert parse_locator(str(located)) == located
