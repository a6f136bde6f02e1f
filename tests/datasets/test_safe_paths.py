"""Paths from a benchmark's files stay inside its folder."""

import pytest

from a2pipe.datasets.safe_paths import join_inside
from a2pipe.errors import UsageError


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ("a.jpg", "/data/a.jpg"),
        ("b/a.jpg", "/data/b/a.jpg"),
        ("b/../a.jpg", "/data/a.jpg"),
        ("./a.jpg", "/data/a.jpg"),
        ("..a/b..jpg", "/data/..a/b..jpg"),
    ],
)
def test_inside(relative: str, expected: str) -> None:
    assert join_inside("/data", relative) == expected


@pytest.mark.parametrize("relative", ["/a.jpg", "../a.jpg", "b/../../a.jpg", "..", ".", "", "//a"])
def test_outside(relative: str) -> None:
    with pytest.raises(UsageError, match="not a path inside"):
        join_inside("/data", relative)
