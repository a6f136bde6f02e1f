"""Generated JPEGs that cost what photographs cost to read: soft colours, edges and some grain."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT, QUALITY, SHAPES = 500, 375, 90, 12
CLASSES = ("heron", "finch")


def write_photos(folder: Path, count: int, start: int = 0) -> list[Path]:
    """Photos `start` to `start + count` of an endless series, in class folders of two splits.

    Those that are there already stay as they are.
    """
    paths = [place(folder, number) for number in range(start, start + count)]
    for number, path in enumerate(paths, start):
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(number).save(path, quality=QUALITY)
    return paths


def write_many(folder: Path, count: int, a_call: int = 64) -> list[Path]:
    """The same as `write_photos` from the series' beginning, on all cores.

    The program that calls this needs the guard of `__main__`.
    """
    starts = range(0, count, a_call)
    counts = [min(a_call, count - start) for start in starts]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        parts = pool.map(partial(write_photos, folder), counts, starts)
        return [path for part in parts for path in part]


def place(folder: Path, number: int) -> Path:
    """One in four is for testing."""
    split = "test" if number % 4 == 3 else "train"
    return folder / split / CLASSES[number // 4 % 2] / f"{number:06d}.jpg"


def photo(number: int) -> Image.Image:
    """The same pixels for the same number; a third are upright, and sizes differ a little."""
    random = np.random.default_rng(number)
    size = (WIDTH - int(random.integers(40)), HEIGHT - int(random.integers(40)))
    width, height = size[::-1] if number % 3 == 0 else size
    coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3), np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(SHAPES):
        x, y = random.integers(0, width), random.integers(0, height)
        w, h = random.integers(10, 160, 2)
        draw.ellipse((x, y, x + w, y + h), fill=tuple(map(int, random.integers(0, 256, 3))))
    grain = random.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))
