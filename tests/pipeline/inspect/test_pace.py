"""Rows a second from the times of markers."""

from datetime import UTC, datetime, timedelta

import pytest

from a2pipe.cache.ledger import Marker
from a2pipe.pipeline.inspect.pace import Pace, pace_of


def markers(*pairs):
    """Markers of (seconds since noon, rows computed)."""
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    return [
        Marker(n, {}, 0.0, "host", (noon + timedelta(seconds=when)).isoformat(), rows)
        for n, (when, rows) in enumerate(pairs)
    ]


@pytest.mark.parametrize(
    ("pairs", "rate"),
    [
        ([(0, 100), (10, 100), (20, 50)], 150 / 20),
        ([(20, 50), (0, 100), (10, 100)], 150 / 20),
        ([(0, 100), (0, 100), (4, 100)], 100 / 4),
        ([(-7200, 100), (0, 100), (10, 60)], 6.0),
        ([(0, 100), (10, 0)], None),
        ([(0, 100)], None),
        ([], None),
    ],
    ids=["steady", "any order", "two at first", "last hour", "rows taken over", "one", "none"],
)
def test_rows_after_the_first_moment_by_the_time_since(pairs, rate):
    assert pace_of(markers(*pairs)).rows_per_second == rate


def test_time_left():
    assert Pace(4.0).seconds_for(100) == 25
    assert Pace(None).seconds_for(100) is None
