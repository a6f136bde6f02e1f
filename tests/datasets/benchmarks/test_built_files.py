"""Files that are built for a benchmark replace nothing else unasked."""

from pathlib import Path

import pytest

from a2pipe.datasets.benchmarks.built_files import write_built
from a2pipe.errors import UsageError


def test_what_has_its_content_is_left_alone(tmp_path: Path) -> None:
    contents = {tmp_path / "a": b"one", tmp_path / "b": b"two"}
    write_built(contents, force=False)
    before = [path.stat().st_ino for path in contents]
    write_built(contents, force=True)
    assert [path.stat().st_ino for path in contents] == before
    assert [path.read_bytes() for path in contents] == [b"one", b"two"]


def test_nothing_is_written_where_one_file_has_other_content(tmp_path: Path) -> None:
    contents = {tmp_path / "a": b"one", tmp_path / "b": b"two"}
    (tmp_path / "b").write_bytes(b"mine")
    with pytest.raises(UsageError, match="b is there with other content: --force replaces it"):
        write_built(contents, force=False)
    assert not (tmp_path / "a").exists()
    write_built(contents, force=True)
    assert (tmp_path / "b").read_bytes() == b"two"
