"""A small spec, rows that depend on nothing but their image, and ways to fill artifacts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from a2pipe.cache.artifact import OK
from a2pipe.cache.catalog import Cache
from a2pipe.cache.layout import ArrayField


@dataclass(frozen=True)
class Probe:
    stage: ClassVar[str] = "probes"
    version: ClassVar[int] = 1

    size: int
    name: str = ""


FIELDS = (
    ArrayField("embedding", (3,), "float32", float("nan")),
    ArrayField("box", (4,), "int32", -1),
)


def digests(n: int, start: int = 0) -> tuple[str, ...]:
    return tuple(hashlib.sha256(str(i).encode()).hexdigest()[:32] for i in range(start, start + n))


def rows(images: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The only right arrays for these images."""
    seeds = [int(image[:8], 16) for image in images]
    return {
        "embedding": np.array([[s / 7, s / 11, s / 13] for s in seeds], np.float32).reshape(-1, 3),
        "box": np.array([[s % 97, s % 89, s % 83, s % 79] for s in seeds], np.int32).reshape(-1, 4),
    }


def fill(artifact, shards=None):
    """Commit the right rows of the given shards (all that are missing by default)."""
    for shard in artifact.missing() if shards is None else shards:
        images = artifact.layout.images[artifact.layout.rows_of(shard)]
        artifact.commit(shard, rows(images), np.full(len(images), OK, np.uint8), (), 0.5)
    return artifact


def make(root, n=10, start=0, shard_size=4, backend="zarr", size=64, done=True):
    """An artifact of `n` images, filled unless `done` is false."""
    artifact = Cache(root).create(
        Probe(size), FIELDS, digests(n, start), shard_size=shard_size, backend=backend
    )
    return fill(artifact) if done else artifact


def flip(path: Path, at: int = -1) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.fixture(scope="session")
def kit():
    return SimpleNamespace(
        Probe=Probe, FIELDS=FIELDS, digests=digests, rows=rows, fill=fill, make=make, flip=flip
    )


@pytest.fixture(params=["zarr", "hdf5"])
def backend(request):
    return request.param
