"""A shard counts if and only if its whole, unaltered marker is there."""

import errno
import json
import os
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.cache.ledger import BadRow, Ledger, Marker, marker_from_json
from a2pipe.errors import A2pipeError
from a2pipe.files import FileSum, checked_json

MARKER = Marker(
    17,
    {"data.zarr/embedding/c.17.0": FileSum(12, "ab" * 32)},
    1.5,
    "node",
    "2024-01-01T00:00:00+00:00",
    3,
    (BadRow(17409, "cd" * 16, 2, "truncated"),),
)
DATA = checked_json(asdict(MARKER))


def test_a_marker_comes_back_as_it_was(tmp_path):
    ledger = Ledger(tmp_path / "done")
    ledger.write(MARKER)
    assert ledger.read(17) == MARKER
    assert set(ledger.markers()) == {17}
    assert [p.name for p in (tmp_path / "done").iterdir()] == ["000017.json"]


def test_a_smaller_forward_shape_is_noted_and_the_usual_one_is_not_mentioned(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(MARKER)
    assert "forward" not in json.loads(ledger.path(17).read_text())
    smaller = replace(MARKER, forward=8)
    ledger.write(smaller)
    assert ledger.read(17) == smaller


def test_a_marker_torn_at_any_byte_counts_as_absent(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(MARKER)
    whole = ledger.path(17).read_bytes()
    for length in range(len(whole)):
        ledger.path(17).write_bytes(whole[:length])
        assert ledger.read(17) is None
    ledger.path(17).write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    assert set(ledger.markers()) == set()


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_marker_altered_anywhere_is_absent_or_says_the_same(at, change):
    data = bytearray(DATA)
    data[at] ^= change
    assert marker_from_json(bytes(data)) in (None, MARKER)


def test_a_checked_document_that_is_no_marker_counts_as_absent():
    from a2pipe.files import checked_json

    assert marker_from_json(checked_json({"shard": 17})) is None


def test_a_marker_under_another_shards_name_counts_as_absent(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.path(18).write_bytes(DATA)
    assert ledger.read(18) is None


def test_a_discarded_marker_is_gone_and_discarding_twice_is_harmless(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(MARKER)
    ledger.discard(17)
    ledger.discard(17)
    assert set(ledger.markers()) == set()


def test_other_files_are_no_markers(tmp_path):
    (tmp_path / ".000017.json.node.1.0badcafe.tmp").write_bytes(DATA)
    (tmp_path / "notes.txt").write_text("x")
    assert set(Ledger(tmp_path).markers()) == set()
    assert set(Ledger(tmp_path / "absent").markers()) == set()


def test_a_marker_is_readable_json():
    assert json.loads(DATA)["bad"][0]["reason"] == "truncated"


texts = st.text(max_size=20)


@given(
    st.builds(
        Marker,
        st.integers(0, 10**7),
        st.dictionaries(texts, st.builds(FileSum, st.integers(0), texts), max_size=4),
        st.floats(0, 1e9),
        texts,
        texts,
        st.integers(0),
        st.lists(
            st.builds(BadRow, st.integers(0), texts, st.integers(2, 3), texts), max_size=3
        ).map(tuple),
    )
)
def test_every_marker_survives_json(marker):
    assert marker_from_json(checked_json(asdict(marker))) == marker


@pytest.mark.parametrize("text", [b"", b"null", b"[1]", b"{}", b'{"check": 1}', b"\xff"])
def test_other_json_is_no_marker(text):
    assert marker_from_json(text) is None


def test_markers_that_may_not_be_listed_are_one_sentence(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "done")
    ledger.write(MARKER)

    def refuse(_path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(type(tmp_path), "iterdir", refuse)
    with pytest.raises(A2pipeError, match=r"done could not be listed \(Permission denied\)"):
        ledger.markers()
