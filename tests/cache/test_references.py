"""What named experiments refer to."""

from pathlib import Path

import pytest

from a2pipe.cache.references import (
    experiments,
    forget,
    is_referred,
    referred,
    remember,
    uses_of,
)
from a2pipe.errors import A2pipeError


def test_uses_are_remembered_by_name(tmp_path):
    remember(tmp_path, "one", [tmp_path / "fits" / "ab.json", "probes/cd"])
    remember(tmp_path, "two", ["probes/cd"])
    assert experiments(tmp_path) == {"one": {"fits/ab.json", "probes/cd"}, "two": {"probes/cd"}}
    assert referred(tmp_path) == {"fits/ab.json", "probes/cd"}


def test_remembering_again_replaces_and_forgetting_drops(tmp_path):
    remember(tmp_path, "one", ["a"])
    remember(tmp_path, "one", ["b"])
    assert referred(tmp_path) == {"b"}
    assert forget(tmp_path, "one")
    assert not forget(tmp_path, "one")
    assert referred(tmp_path) == set()


@pytest.mark.parametrize("name", ["a/b", "../up", ".hidden", "with space", "ü%", "a.json"])
def test_any_name_stays_inside_the_folder(tmp_path, name):
    remember(tmp_path, name, ["x"])
    assert experiments(tmp_path) == {name: {"x"}}
    assert len(list((tmp_path / "experiments").iterdir())) == 1


def test_a_nameless_experiment_is_refused(tmp_path):
    with pytest.raises(A2pipeError, match="needs a name"):
        remember(tmp_path, "", [])


def test_a_path_outside_the_cache_is_refused(tmp_path):
    with pytest.raises(ValueError):
        remember(tmp_path / "cache", "one", [tmp_path / "elsewhere"])


def test_a_relative_root_means_the_same_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = Path("cache")
    remember(
        root, "one", [Path("cache/fits/ab.json"), tmp_path / "cache" / "fits" / "cd.json", "ef"]
    )
    assert referred(tmp_path / "cache") == {"fits/ab.json", "fits/cd.json", "ef"}


def test_unreadable_notes_stop_everything(tmp_path):
    remember(tmp_path, "one", ["a"])
    path = tmp_path / "experiments" / "one.json"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(A2pipeError, match="torn or altered"):
        referred(tmp_path)


def test_a_use_covers_its_path_what_is_below_and_its_fingerprint():
    path = Path("probes") / ("a" * 32) / ("b" * 16)
    assert is_referred(path, {path.as_posix()})
    assert is_referred(path, {f"probes/{'a' * 32}"})
    assert is_referred(path, {"a" * 32})
    assert is_referred(Path("fits") / ("a" * 32 + ".json"), {"a" * 32})
    assert not is_referred(path, {"a" * 31, f"fits/{'a' * 32}", "c" * 32})


def test_uses_of_one_experiment_do_not_depend_on_the_notes_of_others(tmp_path):
    remember(tmp_path, "one", ["a"])
    (tmp_path / "experiments" / "other.json").write_bytes(b"torn")
    assert uses_of(tmp_path, "one") == {"a"}
    assert uses_of(tmp_path, "other") == set()
    assert uses_of(tmp_path, "unknown") == set()


def test_an_experiment_run_again_mends_its_torn_note(tmp_path):
    remember(tmp_path, "one", ["a"])
    (tmp_path / "experiments" / "one.json").write_bytes(b"torn")
    remember(tmp_path, "one", {"b"} | uses_of(tmp_path, "one"))
    assert referred(tmp_path) == {"b"}
