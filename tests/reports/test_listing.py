"""Rows of plain values as a table of text."""

from a2pipe.reports.listing import plain_table


def test_numbers_stand_to_the_right_and_text_to_the_left() -> None:
    rows = [
        {"model": "s", "rows": 1200, "share": 0.5, "note": None},
        {"model": "long", "rows": "-", "share": 12.25, "note": "bad"},
    ]
    assert plain_table(rows).splitlines() == [
        "model    rows     share   note",
        "─" * 30,
        "s       1,200    0.5000",
        "long        -   12.2500   bad",
    ]


def test_a_fingerprint_is_cut_and_brackets_stay() -> None:
    text = plain_table([{"fingerprint": "0123456789abcdef", "name": "[bold]x"}])
    assert "0123456789ab " in text
    assert "0123456789abc" not in text
    assert "[bold]x" in text
