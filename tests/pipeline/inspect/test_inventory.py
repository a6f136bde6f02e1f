"""Tables of what is stored, and rows a second from the times of markers."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from a2pipe.cache.ledger import Marker
from a2pipe.pipeline.inspect import inventory
from a2pipe.pipeline.inspect.inventory import rows_per_second, status_table


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
    assert rows_per_second(markers(*pairs)) == rate


@pytest.mark.parametrize(
    ("missing", "rate", "left"),
    [((30, 10), 2, 8), ((0, 0), None, None)],
    ids=["some rows are missing", "complete"],
)
def test_a_stage_tells_images_a_second_over_its_artifacts_and_the_time_left(
    monkeypatch, missing, rate, left
):
    """Each of two artifacts got 50 rows in 20 s: 5 rows a second, or 2.5 images (shown as 2)."""
    needs = [
        SimpleNamespace(stage="attention", rows_missing=rows, shards=4, shards_done=3)
        for rows in missing
    ]
    monkeypatch.setattr(inventory, "needs", lambda *_: needs)
    stored = SimpleNamespace(
        markers=lambda: dict(enumerate(markers((0, 10), (20, 50)))), bad_rows=list
    )
    specs = [SimpleNamespace(stage="attention", number=number) for number in range(2)]
    session = SimpleNamespace(
        plan=SimpleNamespace(specs=lambda _: specs),
        cache=None,
        stored=lambda _: stored,
        collection=SimpleNamespace(unreadable={"a.png": "torn"}),
    )
    assert status_table(session) == [
        {
            "stage": "attention",
            "artifacts": 2,
            "shards_done": 6,
            "shards_missing": 2,
            "rows_missing": sum(missing),
            "bad_images": 1,
            "images_per_second": rate,
            "seconds_left": left,
        }
    ]
