"""Long names made to fit."""

from __future__ import annotations

import pytest

from a2pipe.reports.labels import shortened, wrapped


@pytest.mark.parametrize("width", [1, 5, 12, 200])
def test_wrapping_loses_nothing_and_keeps_to_the_width(width: int) -> None:
    text = "vit_base_patch16_clip.openai, slice with-out end"
    lines = wrapped(text, width).split("\n")
    assert max(map(len, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("dinov2_vits14_reg", ["dinov2_", "vits14_reg"]),
        ("two words", ["two words"]),
        ("one two three", ["one two", "three"]),
        ("abcdefghijklm", ["abcdefghij", "klm"]),
        ("", [""]),
    ],
)
def test_lines_break_after_the_joints_of_a_name(text: str, lines: list[str]) -> None:
    assert wrapped(text, 10).split("\n") == lines


def test_a_long_text_loses_its_middle() -> None:
    assert shortened("short\n text") == "short text"
    assert shortened("0123456789", 5) == "01…89"
    assert shortened("0123456789", 10) == "0123456789"
