"""Whatever a training draws is a pure function of its seed and of the step.

Then a training that is resumed draws what an undisturbed one would have drawn, and how many
processes prepare batches changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray


def seed_of(*parts: int | str) -> int:
    """Return a seed, from 0 to 2^63 - 1, that depends on these parts and on nothing else."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:8], "little") >> 1


@contextmanager
def drawing(*parts: int | str, device: torch.device | None = None) -> Iterator[None]:
    """Seed PyTorch's global generators by these parts while the block runs, and restore them after.

    device: whose generator is restored too, if it is a GPU.
    """
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_of(*parts))
        yield


def samples_of_step(step: int, batch: int, count: int, seed: int) -> NDArray[np.int64]:
    """Return which samples a step takes: int64 (batch,), from 0 to count - 1.

    The samples come in one permutation after another, an epoch each, and a step takes the next
    `batch` of them; it may reach from one epoch into the next.
    """
    places = np.arange(step * batch, (step + 1) * batch)
    found = [
        permutation(count, seed, int(epoch))[places[places // count == epoch] % count]
        for epoch in np.unique(places // count)
    ]
    return np.concatenate(found)


@lru_cache(maxsize=4)
def permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of the samples in an epoch: int64 (count,)."""
    generator = np.random.Generator(np.random.PCG64(seed_of("order", seed, epoch)))
    return generator.permutation(count)
