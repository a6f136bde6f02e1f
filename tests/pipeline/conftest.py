"""A tiny labelled dataset on disk, and experiments on it that compute in a second."""

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from a2pipe.cache.artifact import Artifact

GROUPS = ("0 on dark", "0 on light", "1 on dark", "1 on light")


def write_images(folder: Path, count: int, start: int = 0) -> list[dict[str, Any]]:
    """`count` noise images of 40 x 30 px with a bright or dark square in a known box."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(start, start + count):
        rng = np.random.default_rng(number)
        label, place = number % 2, (number // 2) % 2
        pixels = rng.integers(0, 60, (30, 40, 3)) + 90 * place
        x, y = (int(value) for value in rng.integers(0, 20, 2))
        pixels[y : y + 10, x : x + 10] = 250 if label else 5
        name = f"{number:05d}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
        split = "train" if number % 8 < 5 else "test"
        box = {"x0": x, "y0": y, "x1": x + 10, "y1": y + 10}
        rows.append(
            {
                "path": name,
                "label": str(label),
                "group": GROUPS[2 * label + place],
                "split": split,
                **box,
            }
        )
    return rows


def write_manifest(folder: Path, rows: list[dict[str, Any]], name: str = "manifest.csv") -> Path:
    """The rows as a CSV beside the images."""
    path = folder / name
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tiny_experiment(images: Path, **sections: Any) -> dict[str, Any]:
    """A mapping for `load_experiment`; keyword arguments replace whole sections."""
    base: dict[str, Any] = {
        "name": "tiny",
        "dataset": {"name": str(images / "manifest.csv")},
        "image": {"size": 48},
        "attention": {"models": ["demo_localizer_s_random"]},
        "crops": {"sizes": [16]},
        "embedding": {"models": ["demo_localizer_s_random"]},
        "run": {"batch_size": 16, "shard_size": 32, "device": "cpu"},
    }
    return {**base, **sections}


def tiny_images(folder: Path) -> Path:
    """A folder with 80 images and their manifest."""
    write_manifest(folder, write_images(folder, 80))
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with 80 images and their manifest, for one test."""
    return tiny_images(tmp_path / "images")


@pytest.fixture
def experiment(images: Path) -> Callable[..., dict[str, Any]]:
    """`tiny_experiment` on those images."""
    return functools.partial(tiny_experiment, images)


@pytest.fixture
def shard_reads(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """How often each shard was read and hashed since, by fingerprint and number of the shard."""
    counted: Counter[tuple[str, int]] = Counter()
    read = Artifact._read

    def counting(artifact: Artifact, shard: int, names: list[str], verify: bool) -> Any:
        counted[artifact.fingerprint, shard] += 1
        return read(artifact, shard, names, verify)

    monkeypatch.setattr(Artifact, "_read", counting)
    return counted
