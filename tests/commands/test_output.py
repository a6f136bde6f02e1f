"""How commands print: rows as a table or as JSON, and lines below a table alone."""

import json

import pytest

from a2pipe.commands.output import emit, emit_all

ROWS = [{"name": "a", "n": 1}, {"name": "b", "n": 20}]


def test_rows_are_a_table_or_json(capsys):
    emit(ROWS, as_json=False)
    heading, _, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "n"]
    assert (first.split(), second.split()) == (["a", "1"], ["b", "20"])
    emit(ROWS, as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS


@pytest.mark.parametrize(("as_json", "said"), [(False, "no damage\n"), (True, "[]\n")])
def test_no_rows_are_said_in_words_or_are_an_empty_list(capsys, as_json, said):
    emit([], as_json, empty="no damage")
    assert capsys.readouterr().out == said


def test_lines_below_are_for_people_and_everything_else_is_json(capsys):
    emit_all({"rows": 2}, ROWS, ["two in all"], as_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == "two in all"
    emit_all({"rows": 2}, ROWS, ["two in all"], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"rows": 2}
