"""Whole or not at all, and failures as one sentence."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from a2pipe.errors import A2pipeError, DamagedError
from a2pipe.files import (
    FORMAT,
    FileSum,
    atomic_write_bytes,
    checked_json,
    is_temporary,
    make_folder,
    parse_checked_json,
    read_checked,
    read_checked_json,
    replace_file,
    replacing,
    sha256_file,
    temporary,
    write_checked_json,
)


def failing(number):
    def fail(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    return fail


def test_written_bytes_and_their_sum(tmp_path):
    total = atomic_write_bytes(tmp_path / "x", b"hello")
    assert (tmp_path / "x").read_bytes() == b"hello"
    assert total == sha256_file(tmp_path / "x")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_data_is_flushed_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    events = []
    fsync, rename = os.fsync, type(tmp_path).replace

    def note_fsync(descriptor):
        events.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")  # noqa: PTH112
        fsync(descriptor)

    def note_rename(path, target):
        events.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(type(tmp_path), "replace", note_rename)
    atomic_write_bytes(tmp_path / "x", b"hello")
    assert events == ["file", "rename", "folder"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_sentence_and_keeps_what_was_there(tmp_path, monkeypatch, number):
    atomic_write_bytes(tmp_path / "x", b"before")
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(A2pipeError, match="No space is left"):
        atomic_write_bytes(tmp_path / "x", b"after")
    assert (tmp_path / "x").read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_not_be_written_is_one_sentence(tmp_path, monkeypatch, number):
    monkeypatch.setattr(type(tmp_path), "mkdir", failing(number))
    with pytest.raises(A2pipeError, match="may not be written"):
        make_folder(tmp_path / "a" / "b")


def test_a_file_in_the_way_of_a_folder_is_one_sentence(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(A2pipeError, match="could not be written"):
        make_folder(tmp_path / "a" / "b")


def test_file_systems_that_cannot_flush_a_folder_are_accepted(tmp_path, monkeypatch):
    fsync = os.fsync

    def only_files(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    atomic_write_bytes(tmp_path / "x", b"hello")
    assert (tmp_path / "x").read_bytes() == b"hello"


def test_an_interrupted_folder_leaves_nothing(tmp_path):
    def interrupted():
        with replacing(tmp_path / "whole") as temp:
            temp.mkdir()
            (temp / "part").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_temporary_names_differ_and_are_told_apart(tmp_path):
    names = {temporary(tmp_path / "000017.json").name for _ in range(100)}
    assert len(names) == 100
    assert all(is_temporary(name) for name in names)
    assert not any(is_temporary(n) for n in ("000017.json", ".x.tmp", "c.17.0", "zarr.json"))


def test_bytes_are_checked_against_size_and_checksum(tmp_path):
    path = tmp_path / "x"
    total = atomic_write_bytes(path, b"hello")
    assert read_checked(path, total, verify=True) == b"hello"
    with pytest.raises(DamagedError, match="5 bytes instead of 4"):
        read_checked(path, FileSum(4, total.sha256), verify=False)
    with pytest.raises(DamagedError, match="does not match its checksum"):
        read_checked(path, FileSum(5, "0" * 64), verify=True)
    with pytest.raises(DamagedError, match="is gone"):
        read_checked(tmp_path / "y", total, verify=True)


def test_what_cannot_be_read_at_all_is_one_sentence(tmp_path):
    with pytest.raises(A2pipeError, match="could not be read"):
        read_checked(tmp_path, FileSum(0, ""), verify=True)


def test_new_files_have_the_permissions_that_the_umask_leaves(tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    replace_file(tmp_path / "x", b"hello")
    assert (tmp_path / "x").stat().st_mode == plain.stat().st_mode


def test_nothing_sets_the_umask(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", failing(errno.EPERM))
    replace_file(tmp_path / "x", b"hello")
    with replacing(tmp_path / "y") as temp:
        temp.write_bytes(b"hello")
    assert (tmp_path / "y").read_bytes() == b"hello"


def test_a_plain_write_that_fails_is_the_systems_error_and_keeps_what_was_there(
    tmp_path, monkeypatch
):
    replace_file(tmp_path / "x", b"before")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "x", b"after")
    assert (tmp_path / "x").read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_threads_that_write_one_file_at_once_leave_one_of_their_contents(tmp_path):
    contents = [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(len(contents)) as threads:
        list(threads.map(lambda content: replace_file(tmp_path / "x", content), contents))
    assert (tmp_path / "x").read_bytes() in contents
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


# JSON documents that carry their own checksum

DOCUMENT = {"a": [1, 2.5, None], "b": {"c": "é"}}


def test_a_document_comes_back_as_it_was():
    assert parse_checked_json(checked_json(DOCUMENT)) == DOCUMENT


def test_its_bytes_are_those_that_earlier_versions_wrote():
    expected = b'{\n "a": 1,\n "check": "015abd7f5cc57a2dd94b7590f04ad808"\n}'
    assert checked_json({"a": 1}) == expected


def test_any_document_cut_short_is_none():
    data = checked_json(DOCUMENT)
    assert [n for n in range(len(data)) if parse_checked_json(data[:n]) is not None] == []


@pytest.mark.parametrize(
    "data", [checked_json(DOCUMENT).replace(b"2.5", b"2.6"), b'{"a": 1}', b"[1]", b"\xff"]
)
def test_what_is_altered_or_no_such_document_is_none(data):
    assert parse_checked_json(data) is None


def test_a_number_that_json_does_not_have_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        checked_json({"a": float("nan")})


def test_a_document_in_a_file(tmp_path):
    path = tmp_path / "x.json"
    write_checked_json(path, DOCUMENT)
    assert read_checked_json(path) == DOCUMENT
    path.write_bytes(path.read_bytes()[:-1])
    assert read_checked_json(path) is None
    with pytest.raises(FileNotFoundError):
        read_checked_json(tmp_path / "y.json")


def test_a_document_of_a_newer_version_is_refused_though_its_checksum_is_unknown(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(f'{{"format": {FORMAT + 1}, "seal": "by other means"}}')
    with pytest.raises(A2pipeError, match=r"newer version .* upgrade a2pipe"):
        read_checked_json(path)


def test_a_document_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(A2pipeError, match="could not be read"):
        read_checked_json(tmp_path)
