"""The datasets that can be named, with what was published of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...datasets.registry import facts_of, names


@dataclass(frozen=True)
class Listed:
    """A dataset by its name, a line about it, and its publication; "" where it has none."""

    name: str
    what: str
    title: str
    paper: str

    @property
    def source(self) -> str:
        """Name, title and paper in one line, or ""."""
        return f"{self.name}: {self.title}. {self.paper}." if self.paper else ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def list_datasets() -> list[Listed]:
    """Every name, in the order of the registry."""
    return [_listed(name, what) for name, what in names()]


def _listed(name: str, what: str) -> Listed:
    facts = facts_of(name)
    return Listed(name, what, facts.title if facts else "", facts.paper if facts else "")
