"""A file that cannot be written leaves the last one as it was."""

import errno

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.training import writing


@pytest.mark.parametrize(
    ("number", "sentence"), [(errno.ENOSPC, "No space is left"), (errno.EIO, "cannot be written")]
)
def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch, number, sentence):
    path = tmp_path / "new" / "file"
    writing.write_file(path, b"first")

    def fail(*_):
        raise OSError(number, "no")

    monkeypatch.setattr(writing, "replace_file", fail)
    with pytest.raises(A2pipeError, match=sentence) as raised:
        writing.write_file(path, b"second")
    assert "last checkpoint" in str(raised.value).replace("the training goes on from its ", "")
    assert path.read_bytes() == b"first"
