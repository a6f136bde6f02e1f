"""Greedy boxes against the naive loop over positions: `python benchmarks/boxes.py`.

Maps of 16 x 16 patches on a canvas of 224 px, crops of 64 and 32 px, one core. The naive loop sums
the map inside every feasible square; all ways run in turn in one process. Time is the process's CPU
time, best of several repeats, so that other work on the machine weighs less. Prints one JSON
object: maps per second of each way, and how many times faster than the loop it is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when NumPy is imported

import numpy as np  # noqa: E402

from a2pipe.stages.boxes.greedy import greedy_boxes, tolerance  # noqa: E402
from a2pipe.stages.maps import normalize, upsample  # noqa: E402

CANVAS, GRID, SIZES = 224, 16, (64, 32)
COUNT, NAIVE_COUNT, REPEATS = 64, 2, 25


def naive_boxes(pixels: Any, sizes: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """The method as written: every feasible position, its sum, the first of the largest."""
    placed: list[tuple[int, int, int, int]] = []
    for size in sizes:
        best, chosen = -1.0, (0, 0)
        for y in range(len(pixels) - size + 1):
            for x in range(len(pixels) - size + 1):
                if any(_meet(x, y, size, box) for box in placed):
                    continue
                inside = pixels[y : y + size, x : x + size].sum()
                if inside > best + tolerance(len(pixels)):
                    best, chosen = inside, (x, y)
        x, y = chosen
        placed.append((x, y, x + size, y + size))
    return placed


def _meet(x: int, y: int, size: int, box: tuple[int, int, int, int]) -> bool:
    x0, y0, x1, y1 = box
    return x < x1 and x + size > x0 and y < y1 and y + size > y0


def rate(work: Callable[[], object], count: int, repeats: int) -> float:
    """Maps per CPU second of the fastest repeat."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return count / best


def main() -> None:
    generator = np.random.default_rng(0)
    patches = normalize(generator.gamma(0.3, size=(COUNT, GRID, GRID)))
    pixels = upsample(patches, CANVAS)
    naive = [naive_boxes(one, SIZES) for one in pixels[:NAIVE_COUNT]]
    for boxes in (greedy_boxes(patches, SIZES, canvas=CANVAS), greedy_boxes(pixels, SIZES)):
        assert np.array_equal(boxes.swapaxes(0, 1)[:NAIVE_COUNT], naive)
    ways: dict[str, Callable[[], object]] = {
        "from_patches": lambda: greedy_boxes(patches, SIZES, canvas=CANVAS),
        "from_pixels": lambda: greedy_boxes(pixels, SIZES),
        "upsample_then_from_pixels": lambda: greedy_boxes(upsample(patches, CANVAS), SIZES),
    }
    loop = rate(lambda: [naive_boxes(p, SIZES) for p in pixels[:NAIVE_COUNT]], NAIVE_COUNT, 3)
    rates = {name: rate(work, COUNT, REPEATS) for name, work in ways.items()}
    report = {"naive_loop": {"maps_per_second": round(loop, 2)}} | {
        name: {"maps_per_second": round(value), "times_naive": round(value / loop)}
        for name, value in rates.items()
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
