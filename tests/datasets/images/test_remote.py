"""Archives by path and by URL."""

import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from a2pipe.datasets.images.remote import file_system, is_url, local_or_url, read_range, stamp
from a2pipe.errors import UsageError


@pytest.fixture
def url() -> Iterator[str]:
    system = fsspec.filesystem("memory")
    system.pipe("/room/a.tar", b"0123456789")
    yield "memory://room/a.tar"
    system.rm("/room", recursive=True)


def test_urls_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [is_url(name) for name in ("s3://b/a.tar", "simplecache::s3://b/a.tar")] == [True] * 2
    assert [is_url(name) for name in ("a.tar", "/d/a.tar", "file:///d/a.tar")] == [False] * 3
    monkeypatch.chdir(tmp_path)
    assert local_or_url("a.tar") == str(tmp_path / "a.tar")
    assert local_or_url("file:///d/a.tar") == "/d/a.tar"
    assert local_or_url("s3://b/a.tar") == "s3://b/a.tar"


def test_ranges_end_where_the_file_ends(tmp_path: Path, url: str) -> None:
    (tmp_path / "a.tar").write_bytes(b"0123456789")
    for name in (str(tmp_path / "a.tar"), url):
        assert read_range(name, 2, 3) == b"234"
        assert read_range(name, 8, 100) == b"89"


def test_a_stamp_changes_with_size_or_time(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"one")
    first = stamp(str(path))
    assert first == stamp(str(path)) == [3, path.stat().st_mtime_ns]
    os.utime(path, ns=(1, 1))
    assert stamp(str(path)) == [3, 1]
    with pytest.raises(FileNotFoundError):
        stamp(str(tmp_path / "none.tar"))


def test_a_size_alone_is_no_stamp(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stamp(url)
    system, path = file_system(url)
    assert path == "/room/a.tar"
    monkeypatch.setattr(type(system), "info", lambda *_: {"size": 10})
    assert stamp(url) == []
    monkeypatch.setattr(type(system), "info", lambda *_: {"size": 10, "ETag": "x"})
    assert stamp(url) == ["10", "x"]


def test_a_protocol_that_nothing_serves() -> None:
    with pytest.raises(UsageError, match=r"nowhere://x/a\.tar cannot be opened"):
        file_system("nowhere://x/a.tar")
