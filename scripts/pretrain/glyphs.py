"""Procedural glyphs: random polylines, curves and arcs as alpha masks like those of the digits."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from a2pipe.datasets.demo.source import MASK_SIZE

CANVAS = 128
MARGIN = 18
SEED = 77


def procedural_glyphs(count: int) -> NDArray[np.float32]:
    """Alpha masks float32 (count, 32, 32) in [0, 1], the same ones at every call."""
    rng = np.random.default_rng(SEED)
    return np.stack([_glyph(rng) for _ in range(count)])


def _glyph(rng: np.random.Generator) -> NDArray[np.float32]:
    """One to three strokes of one width, softened and scaled down."""
    image = Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(image)
    width = int(rng.integers(12, 23))
    strokes = (_polyline, _curve, _arc)
    for _ in range(rng.integers(1, 4)):
        strokes[rng.integers(3)](draw, width, rng)
    soft = image.filter(ImageFilter.GaussianBlur(3)).resize((MASK_SIZE, MASK_SIZE))
    return np.asarray(soft, np.float32) / np.float32(255)


def _points(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    return rng.uniform(MARGIN, CANVAS - MARGIN, (count, 2))


def _polyline(draw: ImageDraw.ImageDraw, width: int, rng: np.random.Generator) -> None:
    _stroke(draw, _points(rng, int(rng.integers(2, 4))), width)


def _curve(draw: ImageDraw.ImageDraw, width: int, rng: np.random.Generator) -> None:
    """A cubic Bezier curve with random control points."""
    a, b, c, d = _points(rng, 4)
    t = np.linspace(0, 1, 24)[:, None]
    path = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    _stroke(draw, path, width)


def _arc(draw: ImageDraw.ImageDraw, width: int, rng: np.random.Generator) -> None:
    """Part of an ellipse, or all of it."""
    radii = rng.uniform(16, 44, 2)
    centre = rng.uniform(MARGIN + radii, CANVAS - MARGIN - radii)
    start, extent = rng.uniform(0, 2 * np.pi), rng.uniform(np.pi / 2, 2 * np.pi)
    angle = start + np.linspace(0, extent, 32)
    _stroke(draw, centre + radii * np.stack([np.cos(angle), np.sin(angle)], 1), width)


def _stroke(draw: ImageDraw.ImageDraw, path: NDArray[np.float64], width: int) -> None:
    """A thick line with round ends and joints."""
    draw.line([(float(x), float(y)) for x, y in path], fill=255, width=width)
    for x, y in path:
        draw.circle((float(x), float(y)), width / 2, fill=255)
