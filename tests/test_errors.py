"""Exit codes by kind of error, and the words of a library's error."""

import pytest

from a2pipe.errors import A2pipeError, DamagedError, NotCachedError, UsageError, first_line


@pytest.mark.parametrize(
    ("kind", "code"), [(A2pipeError, 1), (UsageError, 2), (NotCachedError, 4), (DamagedError, 1)]
)
def test_every_kind_has_its_exit_code(kind, code):
    assert issubclass(kind, A2pipeError)
    assert kind("x").exit_code == code


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("  \n one"), "one"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_a_librarys_error_is_told_in_one_line(error, line):
    assert first_line(error) == line
