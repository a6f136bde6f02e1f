"""How fast an experiment advances, from the times of its markers alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ...cache.artifact import Artifact
from ...cache.ledger import Marker

WINDOW = 3600.0


@dataclass(frozen=True)
class Pace:
    """Rows a second over all artifacts of a stage, by however many tasks; None if unknown."""

    rows_per_second: float | None

    def seconds_for(self, rows: int) -> float | None:
        """How long so many rows take; None if unknown."""
        return rows / self.rows_per_second if self.rows_per_second else None


def pace(artifacts: Iterable[Artifact]) -> Pace:
    """The pace of the hour before the newest marker."""
    return pace_of([marker for found in artifacts for marker in found.markers().values()])


def pace_of(markers: Iterable[Marker]) -> Pace:
    """Rows computed after the first marker of the last hour, by the time since then.

    What the first moment committed took its time before it, so it does not count.
    """
    times = [(datetime.fromisoformat(m.written).timestamp(), m.computed) for m in markers]
    newest = max((when for when, _ in times), default=0.0)
    recent = [(when, rows) for when, rows in times if when >= newest - WINDOW and rows]
    first = min((when for when, _ in recent), default=newest)
    rows = sum(rows for when, rows in recent if when > first)
    return Pace(rows / (newest - first) if rows else None)
