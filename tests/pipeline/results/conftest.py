"""Stored predictions of three heads, and localisation studies of the tiny dataset."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.cache.records import Records
from a2pipe.pipeline.results.cell_names import NamedCell, find_cell
from a2pipe.pipeline.results.study import make_study
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.progress import SilentProgress
from a2pipe.reports.matrix import Cell, Matrix, Row
from a2pipe.stages.specs import FitSpec, HeadSpec

from ..conftest import write_images, write_manifest

N = 240
GENERATOR = np.random.default_rng(2)
LABELS = GENERATOR.integers(0, 2, N)
GROUPS = 2 * LABELS + GENERATOR.integers(0, 2, N)
SHARES = {
    "best": (0.95, 0.9, 0.9, 0.85),
    "close": (0.95, 0.9, 0.9, 0.8),
    "far": (0.99, 0.2, 0.3, 0.98),
}
RIGHT = {name: GENERATOR.random(N) < np.array(shares)[GROUPS] for name, shares in SHARES.items()}


def store(root: Path, name: str, right: np.ndarray, collection: str = "c" * 32, **arrays) -> str:
    """A record of one head; arrays replace its own. Returns the fingerprint."""
    spec = FitSpec(HeadSpec("logistic", json.dumps({"name": name})), (), collection)
    content = {
        "test_index": np.arange(len(right)),
        "test_predictions": np.where(right, LABELS[: len(right)], 1 - LABELS[: len(right)]),
        "test_labels": LABELS[: len(right)],
        "test_groups": GROUPS[: len(right)],
        "test_images": np.arange(len(right)),
    }
    kept = {key: value for key, value in {**content, **arrays}.items() if value is not None}
    Records(root).write(spec, {}, kept)
    return fingerprint(spec)


def small_matrix(root: Path, name: str, right: Mapping[str, np.ndarray]) -> Matrix:
    """A row a name x one column and head; the records lie in `root`, by matrix and row."""
    cells = tuple(
        Cell(row, "E", "LR", 1, N, 0, 0.5, 0.5, "g", record=store(root, f"{name} {row}", each))
        for row, each in right.items()
    )
    rows = tuple(Row(row, f"the {row} one", "baseline", baseline=row) for row in right)
    return Matrix(name, "d", "c" * 32, "", "", (), (), rows, ("E",), ("LR",), cells)


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    """Rows best, close and far."""
    return small_matrix(tmp_path, "m", RIGHT)


@pytest.fixture
def cell(matrix: Matrix, tmp_path: Path) -> Callable[[str], NamedCell]:
    return lambda name: find_cell(name, matrix, tmp_path)


# --- studies ---------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kind of every record that is written from here on."""
    kinds: list[str] = []
    write = Records.write

    def noted(self, spec, content, arrays):
        kinds.append(type(spec).__name__)
        return write(self, spec, content, arrays)

    monkeypatch.setattr(Records, "write", noted)
    return kinds


def study_of(experiment, cache: Path):
    """The study, and the forward passes it took."""
    session = open_session(experiment, cache)
    return make_study(session), session.stats.forward_passes


def without_boxes(folder: Path, count: int = 24) -> Path:
    """Images whose manifest has no boxes."""
    rows = [{k: row[k] for k in ("path", "label", "split")} for row in write_images(folder, count)]
    write_manifest(folder, rows)
    return folder


class Said(SilentProgress):
    """Progress that keeps its lines."""

    def __init__(self):
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def with_boxes_of(folder: Path, size: float) -> Path:
    """Images whose boxes are squares of that side, between pixel centres and patch centres."""
    rows = write_images(folder, 80)
    for row in rows:
        row.update(x0=1, y0=1, x1=1 + size, y1=1 + size)
    write_manifest(folder, rows)
    return folder
