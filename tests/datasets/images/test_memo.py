"""The memo: what is kept of image files between runs, and what is not believed."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from a2pipe.datasets.images.index import IndexedImage, read_index

Write = Callable[..., Path]


def test_unchanged_memo_is_not_written_again(write: Write, tmp_path: Path) -> None:
    path, memo = write("a.png"), tmp_path / "memo.json"
    read_index([path], memo)
    before = memo.stat().st_ino
    read_index([path], memo)
    assert memo.stat().st_ino == before


def test_memo_keeps_the_files_of_other_collections(
    write: Write, tmp_path: Path, opened: list[Path]
) -> None:
    one, other, memo = write("a.png"), write("b.png"), tmp_path / "memo.json"
    read_index([one], memo)
    read_index([other], memo)
    opened.clear()
    read_index([one, other], memo)
    assert not {one, other} & set(opened)


def test_memo_keeps_names_of_any_bytes(tmp_path: Path, write: Write, opened: list[Path]) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9 \xe9\x80.png")
    write("a.png").rename(path)
    read_index([path], tmp_path / "memo.json")
    opened.clear()
    (found,) = read_index([path], tmp_path / "memo.json")
    assert isinstance(found, IndexedImage)
    assert path not in opened


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda _: b"\xff\xfe nonsense",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b'"paths"', b'"other"'),
        lambda content: content[:-40] + b"f" * 20 + content[-20:],
        lambda _: _signed(b"[]"),
        lambda _: _signed(
            b'{"format":2,"paths":"a","digests":"","stamps":[[1]],"sizes":[[1],[1]]}'
        ),
        lambda _: _signed(b'{"format":1,"files":{"a":[1,2]}}'),
    ],
)
def test_damaged_memo_is_ignored_and_replaced(
    write: Write, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    path, memo = write("a.png"), tmp_path / "memo.json"
    good = read_index([path], memo)
    content = memo.read_bytes()
    memo.write_bytes(spoil(content))
    assert read_index([path], memo) == good
    assert memo.read_bytes() == content


def test_memo_that_cannot_be_written_is_no_error(write: Write, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert len(read_index([write("a.png")], tmp_path / "file" / "memo.json")) == 1


def test_memo_leaves_no_scratch_files(write: Write, tmp_path: Path) -> None:
    read_index([write("images/a.png")], tmp_path / "kept" / "memo.json")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["memo.json"]
    content = (tmp_path / "kept" / "memo.json").read_bytes().split(b"\n", 1)[1]
    assert json.loads(content)["format"] == 2


def _signed(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content
