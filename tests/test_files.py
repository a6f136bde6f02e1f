"""Whole or not at all, and failures as one sentence."""

import errno
import os

import pytest

from a2pipe.errors import A2pipeError, DamagedError
from a2pipe.files import (
    FileSum,
    atomic_write_bytes,
    is_temporary,
    make_folder,
    read_checked,
    replacing,
    sha256_file,
    temporary,
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
