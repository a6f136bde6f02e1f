"""What named experiments refer to."""

from pathlib import Path

import pytest

from a2pipe.cache.ledger import now
from a2pipe.cache.references import (
    Reference,
    experiments,
    forget,
    is_referred,
    referred,
    remember,
    uses_of,
)
from a2pipe.errors import A2pipeError, UsageError
from a2pipe.files import checked_json, read_checked_json

ONE, TWO = Reference("one"), Reference("two")


def note_of_earlier_version(root, label, uses):
    """What an earlier version wrote, whose whole key was the label."""
    path = root / "experiments" / f"{label}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(checked_json({"format": 1, "name": label, "uses": uses, "written": now()}))
    return path


def only_note(root):
    (path,) = (root / "experiments").iterdir()
    return path


def test_uses_are_remembered_by_name(tmp_path):
    remember(tmp_path, ONE, [tmp_path / "fits" / "ab.json", "probes/cd"])
    remember(tmp_path, TWO, ["probes/cd"])
    assert experiments(tmp_path) == {ONE: {"fits/ab.json", "probes/cd"}, TWO: {"probes/cd"}}
    assert referred(tmp_path) == {"fits/ab.json", "probes/cd"}


def test_remembering_again_replaces_and_forgetting_drops(tmp_path):
    remember(tmp_path, ONE, ["a"])
    remember(tmp_path, ONE, ["b"])
    assert referred(tmp_path) == {"b"}
    assert forget(tmp_path, "one")
    assert not forget(tmp_path, "one")
    assert referred(tmp_path) == set()


@pytest.mark.parametrize(
    "other",
    [
        Reference("birds", "/b/experiment.toml"),
        Reference("birds", "/a/experiment.toml", "localize"),
        Reference("birds localize", "/a/experiment.toml"),
        Reference("birds", "/a/experiment.toml", limit=8),
        Reference("birds limit 8", "/a/experiment.toml"),
        Reference("Birds", "/a/experiment.toml"),
    ],
)
def test_references_that_differ_in_one_field_do_not_replace_each_other(tmp_path, other):
    reference = Reference("birds", "/a/experiment.toml")
    remember(tmp_path, reference, ["a"])
    remember(tmp_path, other, ["b"])
    assert experiments(tmp_path) == {reference: {"a"}, other: {"b"}}


def test_a_study_of_birds_and_the_matrix_of_birds_localize_have_two_notes(tmp_path):
    study = Reference("birds", "/a.toml", "localize")
    matrix = Reference("birds localize", "/a.toml")
    assert study.label == matrix.label
    remember(tmp_path, study, ["a"])
    remember(tmp_path, matrix, ["b"])
    assert experiments(tmp_path) == {study: {"a"}, matrix: {"b"}}


def test_a_note_is_a_document_with_a_field_for_each_part_of_its_key(tmp_path):
    remember(tmp_path, Reference("birds", "/a.toml", "localize", 8), ["b", "a"])
    document = read_checked_json(only_note(tmp_path))
    del document["written"]
    assert document == {
        "format": 1,
        "name": "birds",
        "origin": "/a.toml",
        "purpose": "localize",
        "limit": 8,
        "uses": ["a", "b"],
    }


def test_a_field_that_this_version_does_not_know_is_passed_over(tmp_path):
    path = note_of_earlier_version(tmp_path, "one", ["a"])
    path.write_bytes(checked_json({**read_checked_json(path), "owner": "somebody"}))
    assert experiments(tmp_path) == {ONE: {"a"}}


@pytest.mark.parametrize(
    "name", ["a/b", "../up", ".hidden", "with space", "ü%", "a.json", "a@b", "ü" * 80]
)
def test_any_name_stays_inside_the_folder(tmp_path, name):
    remember(tmp_path, Reference(name), ["x"])
    assert experiments(tmp_path) == {Reference(name): {"x"}}
    assert len(list((tmp_path / "experiments").iterdir())) == 1


def test_a_nameless_experiment_is_refused(tmp_path):
    with pytest.raises(A2pipeError, match="needs a name"):
        remember(tmp_path, Reference(""), [])


def test_a_path_outside_the_cache_is_refused(tmp_path):
    with pytest.raises(ValueError):
        remember(tmp_path / "cache", ONE, [tmp_path / "elsewhere"])


def test_a_relative_root_means_the_same_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = Path("cache")
    remember(root, ONE, [Path("cache/fits/ab.json"), tmp_path / "cache" / "fits" / "cd.json", "ef"])
    assert referred(tmp_path / "cache") == {"fits/ab.json", "fits/cd.json", "ef"}


def test_unreadable_notes_stop_everything(tmp_path):
    remember(tmp_path, ONE, ["a"])
    path = only_note(tmp_path)
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
    remember(tmp_path, ONE, ["a"])
    (tmp_path / "experiments" / "other.json").write_bytes(b"torn")
    assert uses_of(tmp_path, ONE) == {"a"}
    assert uses_of(tmp_path, Reference("unknown")) == set()


def test_an_experiment_run_again_mends_its_torn_note(tmp_path):
    remember(tmp_path, ONE, ["a"])
    only_note(tmp_path).write_bytes(b"torn")
    remember(tmp_path, ONE, {"b"} | uses_of(tmp_path, ONE))
    assert referred(tmp_path) == {"b"}


# --- notes of earlier versions ------------------------------------------------------------------


def test_the_note_of_an_earlier_version_keeps_what_it_names(tmp_path):
    note_of_earlier_version(tmp_path, "birds", ["a", "b"])
    remember(tmp_path, Reference("birds", "/b/experiment.toml"), ["b", "c"])
    assert referred(tmp_path) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("label", "reference"),
    [
        ("birds", Reference("birds", "/a.toml")),
        ("birds localize", Reference("birds", "/a.toml", "localize")),
        ("birds limit 8", Reference("birds", "/a.toml", limit=8)),
        ("birds localize limit 8", Reference("birds", "/a.toml", "localize", 8)),
    ],
)
def test_it_goes_once_its_experiment_has_noted_all_of_that_anew(tmp_path, label, reference):
    note_of_earlier_version(tmp_path, label, ["a"])
    remember(tmp_path, reference, ["a", "b"])
    assert experiments(tmp_path) == {reference: {"a", "b"}}


def test_a_torn_one_goes_when_an_experiment_of_its_name_runs(tmp_path):
    note_of_earlier_version(tmp_path, "birds", []).write_bytes(b"torn")
    remember(tmp_path, Reference("birds", "/a.toml"), ["a"])
    assert referred(tmp_path) == {"a"}


def test_it_is_forgotten_together_with_the_one_experiment_of_its_name(tmp_path):
    note_of_earlier_version(tmp_path, "birds", ["a"])
    remember(tmp_path, Reference("birds", "/a.toml"), ["b"])
    assert forget(tmp_path, "birds")
    assert referred(tmp_path) == set()


# --- forgetting one of several ------------------------------------------------------------------


def test_of_two_experiments_of_one_name_none_is_forgotten_unless_named_by_its_file(tmp_path):
    here, there = Reference("birds", "/a.toml"), Reference("birds", "/b.toml")
    remember(tmp_path, here, ["a"])
    remember(tmp_path, there, ["b"])
    with pytest.raises(UsageError, match=r"by its file: /a\.toml, /b\.toml"):
        forget(tmp_path, "birds")
    assert referred(tmp_path) == {"a", "b"}
    assert forget(tmp_path, "/a.toml")
    assert experiments(tmp_path) == {there: {"b"}}


def test_the_file_of_an_experiment_stands_for_all_its_notes(tmp_path):
    for limit in (None, 8):
        remember(tmp_path, Reference("birds", "/a.toml", "localize", limit), ["a"])
    assert forget(tmp_path, "/a.toml")
    assert experiments(tmp_path) == {}


def test_a_label_comes_before_an_origin_of_the_same_text(tmp_path):
    matrix, study = Reference("demo-01", "demo-01"), Reference("demo-01", "demo-01", "localize")
    remember(tmp_path, matrix, ["a"])
    remember(tmp_path, study, ["b"])
    assert forget(tmp_path, "demo-01")
    assert experiments(tmp_path) == {study: {"b"}}


def test_an_empty_label_is_not_the_origin_that_earlier_notes_lack(tmp_path):
    note_of_earlier_version(tmp_path, "birds", ["a"])
    with pytest.raises(A2pipeError, match="needs a name"):
        forget(tmp_path, "")
    assert referred(tmp_path) == {"a"}
