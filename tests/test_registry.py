"""Things by name: built in, added by other packages, and what a wrong name is answered."""

from importlib.metadata import entry_points

import pytest

from a2pipe import registry
from a2pipe.errors import UsageError
from a2pipe.registry import Registry, did_you_mean

SHAPES: Registry[object] = Registry(
    "shape", "a2pipe.shapes", "json", {"encoder": "encoder:JSONEncoder", "never": "nowhere:x"}
)


def test_a_built_in_object_is_imported_from_its_module_in_the_package():
    from json.encoder import JSONEncoder

    assert SHAPES.load("encoder") is JSONEncoder


def test_naming_things_imports_none_of_them():
    assert SHAPES.names() == ["encoder", "never"]
    assert "never" in SHAPES


def test_plug_ins_come_after_the_built_in_ones_and_sorted(plug_in):
    plug_in("a2pipe.shapes", "square", 4)
    plug_in("a2pipe.shapes", "circle", 0)
    plug_in("a2pipe.colours", "red", 1)
    assert SHAPES.names() == ["encoder", "never", "circle", "square"]
    assert [SHAPES.load(name) for name in ("circle", "square")] == [0, 4]
    assert "red" not in SHAPES


def test_a_built_in_name_cannot_be_taken_over(plug_in):
    plug_in("a2pipe.shapes", "encoder", 4)
    assert SHAPES.names() == ["encoder", "never"]
    assert SHAPES.load("encoder") != 4
    assert SHAPES.origin("encoder") is None


def test_an_unknown_name_is_answered_with_near_ones_and_plug_ins_count(plug_in):
    plug_in("a2pipe.shapes", "decoder", 4)
    with pytest.raises(UsageError) as error:
        SHAPES.load("encodr")
    assert str(error.value) == "There is no shape 'encodr': did you mean 'encoder' or 'decoder'?"


def test_an_unknown_name_like_no_other_is_answered_with_all_and_the_note():
    noted = Registry[object]("shape", "a2pipe.shapes", "json", SHAPES.built_in, "Draw your own.")
    with pytest.raises(UsageError) as error:
        noted.load("qqq")
    assert str(error.value) == "There is no shape 'qqq': use encoder, never. Draw your own."


@pytest.mark.parametrize("value", ["no_such_module:load", "json:no_such_name", "this is no place"])
def test_a_plug_in_that_cannot_be_loaded_is_one_sentence(plug_in, value):
    plug_in("a2pipe.shapes", "broken", value)
    with pytest.raises(UsageError, match=r"shape 'broken' cannot be loaded from .*uninstall") as e:
        SHAPES.load("broken")
    assert value in str(e.value)
    assert "\n" not in str(e.value)


def test_a_plug_in_that_raises_when_it_is_imported_is_one_sentence(plug_in, tmp_path, monkeypatch):
    (tmp_path / "raises_at_once.py").write_text("raise RuntimeError('no licence\\nfound')")
    monkeypatch.syspath_prepend(tmp_path)
    plug_in("a2pipe.shapes", "broken", "raises_at_once:load")
    with pytest.raises(UsageError, match=r"from raises_at_once:load \(no licence\)"):
        SHAPES.load("broken")


def test_a_plug_in_is_known_by_its_distribution(monkeypatch, plug_in):
    plug_in("a2pipe.shapes", "square", "squares:SQUARE")
    assert SHAPES.origin("square") == "squares:SQUARE"
    point = next(p for p in entry_points(group="console_scripts") if p.name == "a2pipe")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group else [])
    assert SHAPES.origin("a2pipe") == "a2pipe 0.1.0"


def test_near_names_are_at_most_three_the_nearest_first():
    known = ["sizes", "size", "sized", "sizer", "colour"]
    assert did_you_mean("size", known, "").startswith("did you mean 'size' or ")
    assert did_you_mean("size", known, "").count("'") == 6
    assert did_you_mean("xyz", known, "look again.") == "look again."
    assert did_you_mean("xyz", [], "look again.", likeness=0) == "look again."
