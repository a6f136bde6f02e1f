"""The file of a head: what is written comes back, or a sentence says why not."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from a2pipe.errors import A2pipeError, DamagedError, UnwritableError, UsageError
from a2pipe.heads.head_file import CHECKSUM, DOCUMENT, read_file, write_file

CONTENT = {"kind": "logistic", "fitted": {"values": {"n_": 3, "é_": None}}}
ARRAYS = {
    "coef_": np.arange(6, dtype=np.float32).reshape(2, 3),
    "empty_": np.zeros((0, 3)),
    "flags_": np.array([True, False]),
    "scale_": np.array(0.25, np.float16),
}


@pytest.fixture
def written(tmp_path) -> Path:
    write_file(tmp_path / "one.head", CONTENT, ARRAYS)
    return tmp_path / "one.head"


def with_metadata(path: Path, **changes: str) -> None:
    """Write the arrays again with other metadata beside them."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    save_file(ARRAYS, path, {**metadata, **changes})


class TestWritten:
    def test_document_and_arrays_come_back(self, written):
        content, arrays = read_file(written)
        assert content == CONTENT
        assert arrays.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(arrays[name], array)

    def test_it_is_safetensors_that_anybody_can_read(self, written):
        with safe_open(written, framework="numpy") as file:
            assert json.loads(file.metadata()[DOCUMENT]) == CONTENT
            np.testing.assert_array_equal(file.get_tensor("coef_"), ARRAYS["coef_"])

    def test_it_may_be_read_by_whom_the_umask_lets(self, written):
        plain = written.with_name("plain")
        plain.write_bytes(b"")
        assert written.stat().st_mode == plain.stat().st_mode

    def test_writing_again_replaces_it_and_leaves_nothing_else(self, written):
        write_file(written, {"kind": "knn"}, {})
        assert read_file(written) == ({"kind": "knn"}, {})
        assert [path.name for path in written.parent.iterdir()] == [written.name]

    def test_folders_on_the_way_are_made(self, tmp_path):
        write_file(tmp_path / "a" / "b" / "head", CONTENT, ARRAYS)
        assert read_file(tmp_path / "a" / "b" / "head")[0] == CONTENT


class TestNotWritten:
    def test_a_failure_half_way_leaves_the_old_file(self, written, monkeypatch):
        before = written.read_bytes()

        def fail(_descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(A2pipeError, match=r"could not be saved .*No space left"):
            write_file(written, {"kind": "knn"}, {})
        assert written.read_bytes() == before
        assert [path.name for path in written.parent.iterdir()] == [written.name]

    def test_a_folder_that_is_a_file(self, written):
        with pytest.raises(A2pipeError, match="could not be saved"):
            write_file(written / "head", CONTENT, ARRAYS)

    def test_what_is_not_permitted_is_an_error_of_its_own(self, tmp_path, monkeypatch):
        def forbid(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("a2pipe.heads.head_file.replace_file", forbid)
        with pytest.raises(UnwritableError, match=r"\(Permission denied\): choose another file"):
            write_file(tmp_path / "head", CONTENT, ARRAYS)


class TestRefused:
    def test_none(self, tmp_path):
        with pytest.raises(UsageError, match="There is no saved head"):
            read_file(tmp_path / "head")

    def test_a_folder(self, tmp_path):
        with pytest.raises(UsageError, match="There is no saved head"):
            read_file(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"text", pickle.dumps(CONTENT)])
    def test_another_kind_of_file(self, content, tmp_path):
        (tmp_path / "head").write_bytes(content)
        with pytest.raises(UsageError, match="is not a saved head"):
            read_file(tmp_path / "head")

    def test_a_file_cut_short(self, written):
        written.write_bytes(written.read_bytes()[:-9])
        with pytest.raises(UsageError, match="is not a saved head"):
            read_file(written)

    @pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
    def test_safetensors_of_something_else(self, metadata, tmp_path):
        save_file(ARRAYS, tmp_path / "head", metadata)
        with pytest.raises(UsageError, match="is not a saved head"):
            read_file(tmp_path / "head")

    def test_one_flipped_bit(self, written):
        content = bytearray(written.read_bytes())
        content[-1] ^= 1
        written.write_bytes(content)
        with pytest.raises(DamagedError, match="is damaged"):
            read_file(written)

    @pytest.mark.parametrize("changes", [{DOCUMENT: '{"kind": "knn"}'}, {CHECKSUM: "0" * 64}])
    def test_a_document_and_arrays_that_do_not_belong_together(self, changes, written):
        with_metadata(written, **changes)
        with pytest.raises(DamagedError, match="is damaged"):
            read_file(written)
