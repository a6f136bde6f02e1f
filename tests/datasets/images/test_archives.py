"""Opening images inside tars and Arrow files."""

from pathlib import Path

import pyarrow as pa
import pytest

from a2pipe.datasets.images.image_files import open_file
from a2pipe.datasets.images.locators import ArrowRow, TarMember
from a2pipe.errors import BadImageError

from ..tars import picture, write_tar


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
