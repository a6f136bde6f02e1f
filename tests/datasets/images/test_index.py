"""The index: what is read of files, what is remembered, and what never stops it."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

import pytest
from PIL import Image

from a2pipe.datasets.images import index
from a2pipe.datasets.images.index import IndexedImage, Unreadable, index_bytes, read_index
from a2pipe.errors import A2pipeError, BadImageError

Write = Callable[..., Path]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def test_digest_and_size_in_the_order_of_the_paths(write: Write) -> None:
    paths = [write("b.png", (7, 5)), write("a.png", (2, 3))]
    assert read_index(paths) == [
        IndexedImage(digest(paths[0]), 7, 5),
        IndexedImage(digest(paths[1]), 2, 3),
    ]


def test_no_paths() -> None:
    assert read_index([]) == []


def test_order_holds_over_many_chunks_and_threads(write: Write) -> None:
    paths = [write(f"{index}.png", (1 + index % 9, 2)) for index in range(700)]
    found = read_index(paths, workers=8)
    assert found == [IndexedImage(digest(path), 1 + i % 9, 2) for i, path in enumerate(paths)]


def test_one_path_is_read_once(write: Write, opened: list[Path]) -> None:
    path = write("a.png")
    first, second = read_index([path, path])
    assert first == second
    assert opened.count(path) == 1


def test_same_bytes_have_the_same_digest(write: Write) -> None:
    one, other = read_index([write("a.png", content="x"), write("b.png", content="x")])
    assert one == other


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("turn", "size"), [(1, (8, 4)), (3, (8, 4)), (5, (4, 8)), (6, (4, 8))])
def test_sizes_are_those_of_the_upright_image(
    tmp_path: Path, kind: str, turn: int, size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.new("RGB", (8, 4)).save(tmp_path / "a.img", kind, exif=exif)
    (found,) = read_index([tmp_path / "a.img"])
    assert isinstance(found, IndexedImage)
    assert (found.width, found.height) == size


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n broken"])
def test_file_that_is_no_image_has_a_digest_and_no_size(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert read_index([tmp_path / "a.jpg"]) == [IndexedImage(digest(tmp_path / "a.jpg"), 0, 0)]


def test_files_that_cannot_be_read_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    names = ["folder.jpg", "link.jpg", "pipe.jpg", "absent.jpg", "nul\0.jpg"]
    assert read_index([tmp_path / name for name in names]) == [
        Unreadable("a directory, not a file"),
        Unreadable("a link to a file that is missing"),
        Unreadable("not a regular file"),
        Unreadable("file is missing"),
        Unreadable("the path is not a possible file name"),
    ]


def test_no_permission(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.png")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert read_index([path]) == [Unreadable("file cannot be read: permission denied")]


def test_fault_of_the_machine_stops_the_reading(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.png")

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(A2pipeError, match="Too many open files"):
        read_index([path])


def test_files_that_take_long_are_read_by_several_threads(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write(f"{index}.png") for index in range(600)]
    both = threading.Barrier(2, timeout=20)
    original = Path.open

    def meet(self: Path, *arguments: object, **options: object) -> object:
        if self in (paths[300], paths[-1]):
            both.wait()
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", meet)
    monkeypatch.setattr(index, "QUICK_READ", 0)
    assert len(index.read_part(list(map(str, paths)))) == 600


@pytest.mark.parametrize("quick", [0, 1000])
def test_processes_and_threads_or_none_give_the_same(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: float
) -> None:
    monkeypatch.setattr(index, "WORTH_PROCESSES", quick)
    monkeypatch.setattr(index, "QUICK_STAT", quick)
    paths = [write(f"{index}.png", (1 + index % 9, 2)) for index in range(600)]
    expected = [IndexedImage(digest(path), 1 + i % 9, 2) for i, path in enumerate(paths)]
    for _ in range(2):
        assert read_index(paths, tmp_path / "memo.json") == expected


def test_second_reading_opens_no_image(write: Write, tmp_path: Path, opened: list[Path]) -> None:
    paths = [write(f"{index}.png") for index in range(5)]
    first = read_index(paths, tmp_path / "kept" / "memo.json")
    opened.clear()
    assert read_index(paths, tmp_path / "kept" / "memo.json") == first
    assert not set(opened) & set(paths)


def test_changed_file_is_read_again(write: Write, tmp_path: Path) -> None:
    path, memo = write("a.png"), tmp_path / "memo.json"
    read_index([path], memo)
    write("a.png", content="other")
    os.utime(path, ns=(1, 1))
    assert read_index([path], memo) == [IndexedImage(digest(path), 4, 3)]


def test_file_that_vanished_is_not_remembered_as_there(write: Write, tmp_path: Path) -> None:
    path, memo = write("a.png"), tmp_path / "memo.json"
    read_index([path], memo)
    path.unlink()
    assert read_index([path], memo) == [Unreadable("file is missing")]


def test_file_that_may_no_longer_be_read_is_not_remembered_as_readable(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, memo = write("a.png"), tmp_path / "memo.json"
    read_index([path], memo)

    def refused(_: Path) -> BufferedReader:
        raise BadImageError("file cannot be read: permission denied")

    path.chmod(0o000)
    monkeypatch.setattr(index, "open_file", refused)
    assert read_index([path], memo) == [Unreadable("file cannot be read: permission denied")]


def test_bytes_in_memory_give_what_their_file_gives(write: Write) -> None:
    path = write("a.png", (7, 5))
    assert [index_bytes(path.read_bytes())] == read_index([path])
    assert index_bytes(b"text") == IndexedImage(hashlib.sha256(b"text").hexdigest()[:32], 0, 0)


def test_large_files_are_read_piece_by_piece_and_give_the_same(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.png", (7, 5))
    whole = read_index([path])
    monkeypatch.setattr(index, "READ_WHOLE", 0)
    assert read_index([path]) == whole == [IndexedImage(digest(path), 7, 5)]


def test_an_image_whose_header_is_rare_is_read_by_pillow(tmp_path: Path) -> None:
    Image.new("RGB", (7, 5)).save(tmp_path / "a.bmp")
    assert read_index([tmp_path / "a.bmp"]) == [IndexedImage(digest(tmp_path / "a.bmp"), 7, 5)]


def test_many_files_are_read_by_processes_and_give_the_same(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Path]
) -> None:
    paths = [write(f"{index}.png", (1 + index % 9, 2)) for index in range(600)]
    paths[400] = tmp_path / "absent.png"
    one_thread = read_index(paths)
    opened.clear()
    monkeypatch.setattr(index, "WORTH_PROCESSES", 0)
    assert read_index(paths) == one_thread
    assert isinstance(one_thread[400], Unreadable)
    assert set(opened) == set(paths[:256])
