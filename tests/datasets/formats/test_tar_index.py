"""The index of one tar: every image where it lies, and tars that cannot be trusted."""

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from a2pipe.datasets.formats import tar_index
from a2pipe.datasets.formats.tar_index import index_tar
from a2pipe.datasets.images import archives
from a2pipe.datasets.images.index import Unreadable
from a2pipe.errors import UsageError

from ..tars import add, picture, write_tar


def memo(folder: Path) -> Path:
    return folder / "memo" / "images.json"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every tar that is read, in order."""
    archives: list[str] = []
    original = tar_index._read
    monkeypatch.setattr(tar_index, "_read", lambda path: archives.append(path) or original(path))
    return archives


def test_the_bytes_of_every_image_lie_where_the_index_says(tmp_path: Path) -> None:
    content = {"cat/1.png": picture(1), "cat/1.cls": "3", "2.jpg": picture(2, (5, 9), "JPEG")}
    tar = write_tar(tmp_path / "a.tar", content)
    first, second = index_tar(str(tar)).images
    for image, name, size in ((first, "cat/1.png", (8, 6)), (second, "2.jpg", (5, 9))):
        start, whole = image.member.offset, tar.read_bytes()
        assert whole[start : start + image.member.size] == content[name]
        assert image.member.name == name
        assert image.read.digest == hashlib.sha256(content[name]).hexdigest()[:32]
        assert (image.read.width, image.read.height) == size


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_every_format(tmp_path: Path, kind: int) -> None:
    """Long names take further headers before the member's own in GNU and PAX tars."""
    long = f"{'folder/' * 12}{'n' * 60}.png"
    tar = write_tar(tmp_path / "a.tar", {long: picture(1), "b.png": picture(2)}, kind)
    images = index_tar(str(tar)).images
    assert [image.member.name for image in images] == [long, "b.png"]
    start = images[0].member.offset
    assert tar.read_bytes()[start : start + images[0].member.size] == picture(1)


def test_names_of_any_script(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "vögel.tar", {"über/猫 1.png": picture(1), "über/猫 1.cls": "猫"})
    index = index_tar(str(tar))
    assert index.images[0].member.name == "über/猫 1.png"
    assert index.notes == {"über/猫 1.cls": "猫"}


def test_what_is_neither_image_nor_label_is_passed_over(tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    with tarfile.open(tar, "w") as written:
        folder = tarfile.TarInfo("cat")
        folder.type = tarfile.DIRTYPE
        written.addfile(folder)
        link = tarfile.TarInfo("cat/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        written.addfile(link)
        add(written, "cat/1.txt", "a caption")
        add(written, "cat/1.npy", b"\x93NUMPY")
        add(written, "cat/1.png", picture(1))
    index = index_tar(str(tar))
    assert [image.member.name for image in index.images] == ["cat/1.png"]
    assert index.notes == {}


def test_a_member_that_is_called_an_image_and_is_none(tmp_path: Path) -> None:
    (image,) = index_tar(str(write_tar(tmp_path / "a.tar", {"1.png": b"text"}))).images
    assert image.read.digest == hashlib.sha256(b"text").hexdigest()[:32]
    assert (image.read.width, image.read.height) == (0, 0)


def test_a_member_too_large_to_be_an_image_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_index, "LARGEST_IMAGE", 10)
    (image,) = index_tar(str(write_tar(tmp_path / "a.tar", {"1.png": picture(1)}))).images
    assert image.read == Unreadable("file is larger than 1,024 MiB; not read")
    assert archives.LARGEST_IMAGE > 10


def test_values_of_json_that_can_say_something(tmp_path: Path) -> None:
    said = {"label": 3, "place": "land", "boxes": [[0, 0, 2, 2]], "caption": "x" * 300, "tags": [1]}
    index = index_tar(str(write_tar(tmp_path / "a.tar", {"1.json": said})))
    assert index.notes["1.json"] == {"label": 3, "place": "land", "boxes": [[0, 0, 2, 2]]}


# What is remembered


def test_an_unchanged_tar_is_read_once(tmp_path: Path, opened: list[str]) -> None:
    tar = str(write_tar(tmp_path / "a.tar", {"1.png": picture(1), "1.cls": "0"}))
    first = index_tar(tar, memo(tmp_path))
    assert index_tar(tar, memo(tmp_path)) == first
    assert opened == [tar]


def test_a_changed_tar_is_read_again(tmp_path: Path, opened: list[str]) -> None:
    tar = write_tar(tmp_path / "a.tar", {"1.png": picture(1)})
    before = index_tar(str(tar), memo(tmp_path)).images[0].read.digest
    write_tar(tar, {"1.png": picture(2)})
    os.utime(tar, ns=(1, 1))
    assert index_tar(str(tar), memo(tmp_path)).images[0].read.digest != before
    assert len(opened) == 2


def test_damage_to_what_is_remembered_is_ignored(tmp_path: Path, opened: list[str]) -> None:
    tar = str(write_tar(tmp_path / "a.tar", {"1.png": picture(1)}))
    first = index_tar(tar, memo(tmp_path))
    (kept,) = (tmp_path / "memo" / "archives").iterdir()
    kept.write_bytes(kept.read_bytes().replace(b'"1.png"', b'"2.png"'))
    assert index_tar(tar, memo(tmp_path)) == first
    assert len(opened) == 2


# Tars that are refused


@pytest.mark.parametrize("share", [0.3, 0.55, 0.8])
def test_a_tar_cut_short(tmp_path: Path, share: float) -> None:
    """Wherever it ends: in a header, which tarfile takes for the end, or in an image."""
    names = {f"{number}.png": picture(number) for number in range(9)}
    tar = write_tar(tmp_path / "a.tar", names)
    used = 9 * 1024
    for end in (int(used * share), int(used * share) // 1024 * 1024 + 200):
        tar.write_bytes(tar.read_bytes()[:end] if end < tar.stat().st_size else tar.read_bytes())
        with pytest.raises(UsageError, match=r"Tar .*a\.tar is cut short, compressed or no tar"):
            index_tar(str(tar))
        write_tar(tar, names)


def test_a_tar_without_its_closing_blocks_is_whole(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {"1.png": picture(1)})
    tar.write_bytes(tar.read_bytes()[:1024])
    assert len(index_tar(str(tar)).images) == 1


def test_a_damaged_header_in_the_middle(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", {f"{number}.png": picture(number) for number in range(3)})
    content = bytearray(tar.read_bytes())
    content[1024:1034] = b"\xff" * 10
    tar.write_bytes(content)
    with pytest.raises(UsageError, match="no header at byte 1,024"):
        index_tar(str(tar))


@pytest.mark.parametrize("content", [b"", b"text", gzip.compress(b"x" * 2000, mtime=0)])
def test_a_file_that_is_no_tar(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(UsageError, match="is cut short, compressed or no tar") as caught:
        index_tar(str(tmp_path / "a.tar"))
    assert "\n" not in str(caught.value)


def test_a_tar_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.tar does not exist"):
        index_tar(str(tmp_path / "a.tar"))


@pytest.mark.parametrize("name", ["../1.png", "/etc/1.png", "a/../../1.png", "../1.cls"])
def test_members_that_lead_out_of_the_tar(tmp_path: Path, name: str) -> None:
    tar = write_tar(tmp_path / "a.tar", {name: picture(1)})
    with pytest.raises(UsageError, match="not a path inside") as caught:
        index_tar(str(tar))
    assert "\n" not in str(caught.value)


def test_a_member_that_is_there_twice(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for number in (1, 2):
            add(tar, "1.png", picture(number))
    with pytest.raises(UsageError, match=r"has 1\.png twice"):
        index_tar(str(tmp_path / "a.tar"))


def test_a_sparse_member(tmp_path: Path) -> None:
    info = tarfile.TarInfo("1.png")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 0
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(info, io.BytesIO())
    with pytest.raises(UsageError, match=r"1\.png is stored as a sparse file"):
        index_tar(str(tmp_path / "a.tar"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("1.cls", b"\xff\xfe", "is not UTF-8 text"),
        ("1.json", b"{broken", "is not JSON"),
        ("1.json", b"[1]", "is not a JSON object"),
        ("1.json", b"[" * 100_000, "is not JSON"),
        ("1.json", b" " * (1 << 20) + b"{}", "longer than 1 MiB"),
    ],
)
def test_labels_that_cannot_be_read(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    tar = write_tar(tmp_path / "a.tar", {name: content})
    with pytest.raises(UsageError, match=message) as caught:
        index_tar(str(tar))
    assert "\n" not in str(caught.value)


def test_what_macos_puts_beside_a_file_is_no_image(tmp_path: Path) -> None:
    members = {"cat/._1.png": b"attributes", "cat/1.png": picture(1), "cat/._1.json": b"\0"}
    index = index_tar(str(write_tar(tmp_path / "a.tar", members)))
    assert [image.member.name for image in index.images] == ["cat/1.png"]
    assert index.notes == {}
