"""Fixtures of the tests that read image files."""

from pathlib import Path

import pytest


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every path opened through `Path.open`, in order."""
    paths: list[Path] = []
    original = Path.open

    def record(self: Path, *arguments: object, **options: object) -> object:
        paths.append(self)
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", record)
    return paths
