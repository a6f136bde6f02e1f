"""`spec.json` as it is written, read, and refused."""

import getpass
import os

import pytest

from a2pipe.cache.header import header_of, provenance, read_header, write_header
from a2pipe.cache.layout import Cut, Layout
from a2pipe.errors import DamagedError, NotCachedError
from a2pipe.files import read_checked_json

LAYOUT = Layout(("ab" * 16, "cd" * 16, "01" * 16), shard_size=2)


@pytest.fixture
def header(kit):
    return header_of(kit.Probe(64, name="mine"), kit.FIELDS, LAYOUT, {"device": "cpu"})


def test_a_header_comes_back_as_it_was_written(tmp_path, header):
    write_header(tmp_path, header)
    found = read_header(tmp_path)
    assert found == header
    assert found.cut == Cut(3, 2)


def test_fill_values_are_text_as_json_has_no_nan(tmp_path, header):
    write_header(tmp_path, header)
    fields = read_checked_json(tmp_path / "spec.json")["fields"]
    assert [field["fill"] for field in fields] == ["nan", "-1"]


def test_a_folder_without_one_holds_no_artifact(tmp_path):
    with pytest.raises(NotCachedError, match=r"there is no spec\.json"):
        read_header(tmp_path)
    with pytest.raises(NotCachedError):
        read_header(tmp_path / "absent")


def test_one_that_is_cut_short_or_altered_is_damaged(tmp_path, header):
    write_header(tmp_path, header)
    path = tmp_path / "spec.json"
    whole = path.read_bytes()
    for content in (whole[:-1], whole.replace(b'"rows": 3', b'"rows": 4')):
        path.write_bytes(content)
        with pytest.raises(DamagedError, match="torn or altered"):
            read_header(tmp_path)


def test_who_made_it_is_told_even_where_the_user_has_no_name(monkeypatch):
    def nameless():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert provenance()["user"] == str(os.getuid())
