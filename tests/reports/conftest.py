"""Made-up matrices and galleries of the shape real ones have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from a2pipe.metrics.groups import GroupAccuracy
from a2pipe.reports.matrix import Cell, GalleryItem, Localization, Matrix, Row

GROUPS = ("0 on china", "0 on flower", "1 on china", "1 on flower")
COLUMNS = ("demo_embedder_s", "demo_embedder_m")
ROWS = (
    Row("s", "demo_localizer_s", "attention", "demo_localizer_s", (32,), 3),
    Row("s-raw", "demo_localizer_s", "attention", "demo_localizer_s", (32,), 1),
    Row("m", "demo_localizer_m", "attention", "demo_localizer_m", (32,), 3),
    Row("e", "demo_embedder_s", "attention", "demo_embedder_s", (32,), 3),
    Row("full", "full image", "baseline", baseline="full"),
    Row("center", "centre crop 32 px", "baseline", crops=(32,), baseline="center:32"),
    Row("random", "random crop 32 px", "baseline", crops=(32,), baseline="random"),
    Row("init", "random-init S", "control", "demo_localizer_s_random", (32,), 3),
)
WGA = {
    "demo_embedder_s": (0.732, 0.570, 0.711, 0.446, 0.138, 0.052, 0.121, 0.201),
    "demo_embedder_m": (0.314, 0.28, 0.309, 0.25, 0.33, 0.05, 0.11, 0.18),
}
NOTES = (
    "This demo shows that the pipeline works; it is no evidence about natural images.",
    "Two photographs, real handwritten digits, small backbones trained on synthetic pastes.",
)


def make_cell(row: str, column: str, wga: float, head: str = "logistic") -> Cell:
    """A cell whose four groups run from the worst upwards."""
    shares = [wga, min(1, wga + 0.1), min(1, wga + 0.2), min(1, wga + 0.25)]
    groups = tuple(GroupAccuracy(name, 150, s) for name, s in zip(GROUPS, shares, strict=True))
    accuracy = sum(shares) / 4
    return Cell(row, column, head, 1500, 600, 0, accuracy, wga, GROUPS[0], groups, "ab" * 16)


def make_matrix(**changes: object) -> Matrix:
    """Four attention rows, a control and three baselines x two columns, one head."""
    cells = tuple(
        make_cell(row.key, column, wga)
        for column in COLUMNS
        for row, wga in zip(ROWS, WGA[column], strict=True)
    )
    places = (
        Localization("s", 600, 0.727, 0.892, 0.907),
        Localization("s-raw", 600, 0.727, 0.892, 0.885),
        Localization("m", 600, 0.524, 0.865, 0.905),
        Localization("init", 600, 0.051, 0.310, 0.242),
        Localization("random", 600, math.nan, math.nan, 0.185),
    )
    content: dict[str, object] = {
        "name": "demo-01",
        "dataset": "demo-01 (95 % spurious)",
        "collection": "0f" * 16,
        "created": "2026-01-02T03:04:05+00:00",
        "version": "0.1.0",
        "class_names": ("0", "1"),
        "group_names": GROUPS,
        "rows": ROWS,
        "columns": COLUMNS,
        "heads": ("logistic",),
        "cells": cells,
        "localization": places,
        "notes": NOTES,
        "run": {
            "versions": {"a2pipe": "0.1.0", "torch": "2.15.0", "timm": "1.0.31"},
            "device": "cpu",
            "host": "node-7",
            "command": "a2pipe demo --out report",
            "seconds": {"attention": 12.4, "boxes": 0.9, "embeddings": 31.7, "heads": 1.2},
            "forward_passes": {"demo_localizer_s": 2100, "demo_embedder_s": 8400},
            "images_decoded": 2100,
            "bad_images": [],
        },
    }
    return Matrix(**{**content, **changes})  # type: ignore[arg-type]


def make_item(label: str, predicted: str, group: str, name: str, seed: int = 0) -> GalleryItem:
    """A smooth random image with a bright square, attention on it, a crop and its truth."""
    generator = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, 96)
    wave = 0.5 + 0.25 * np.sin(9 * ramp[:, None] + seed) + 0.25 * np.cos(7 * ramp[None, :] * seed)
    image = (255 * np.clip(wave[..., None] * generator.uniform(0.3, 1, 3), 0, 1)).astype(np.uint8)
    x, y = generator.integers(4, 60, 2)
    image[y : y + 24, x : x + 18] = generator.integers(0, 255, 3)
    rows, columns = np.mgrid[:96, :96]
    attention = np.exp(-((rows - y - 12) ** 2 + (columns - x - 9) ** 2) / 150) + 0.02
    crop = np.array([[max(0, x - 7), max(0, y - 4), max(0, x - 7) + 32, max(0, y - 4) + 32]])
    return GalleryItem(
        image=image,
        attention=attention / attention.sum(),
        boxes=crop.astype(np.int32),
        truth=np.array([[x, y, x + 18, y + 24]], dtype=np.float64),
        label=label,
        predicted=predicted,
        group=group,
        name=name,
    )


@pytest.fixture
def matrix() -> Matrix:
    return make_matrix()


@pytest.fixture
def with_intervals(matrix: Matrix) -> Matrix:
    """Every cell with the interval 2.04 per cent around its accuracy and 7.04 around its WGA."""
    cells = tuple(
        replace(
            cell,
            accuracy_interval=(max(0, cell.accuracy - 0.0204), min(1, cell.accuracy + 0.0204)),
            wga_interval=(max(0, cell.wga - 0.0704), min(1, cell.wga + 0.0704)),
        )
        for cell in matrix.cells
    )
    return replace(matrix, cells=cells)


@pytest.fixture
def changed() -> Callable[..., Matrix]:
    """The matrix with some fields replaced."""
    return make_matrix


@pytest.fixture
def gallery() -> list[GalleryItem]:
    """Two right and one wrong item of every group."""
    items = []
    for i, group in enumerate(GROUPS):
        label = group[0]
        other = "1" if label == "0" else "0"
        items += [
            make_item(label, predicted, group, f"test/{i}-{j}.png", seed=10 * i + j)
            for j, predicted in enumerate((label, label, other))
        ]
    return items
