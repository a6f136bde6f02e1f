"""Boxes of a batch, spec by spec: which numbers each kind of box is placed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .aggregators import parse_aggregator
from .boxes import center_box, full_box, greedy_box, random_box, tile_box
from .geometry import Canvas
from .maps import patch_maps, smooth, upsample
from .specs import (
    AttentionSpec,
    BoxSpec,
    CanvasSpec,
    CenterBox,
    EmbeddingSpec,
    FullBox,
    GreedyBox,
    MapSpec,
    RandomBox,
    TileBox,
)

Boxes = NDArray[np.int32]


def grid_map(spec: MapSpec, rows: NDArray[np.float32], prefix: int) -> NDArray[np.float64]:
    """Attention rows (B, heads, tokens) as maps over the patches, (B, g, g), that sum to 1."""
    return smooth(patch_maps(rows, prefix, heads=spec.heads, reading=spec.reading), spec.smooth)


def attention_map(
    spec: MapSpec, rows: NDArray[np.float32], prefix: int, size: int
) -> NDArray[np.float64]:
    """Attention rows (B, heads, tokens) as maps over pixels, (B, size, size), that sum to 1."""
    return upsample(grid_map(spec, rows, prefix), size)


def map_words(spec: MapSpec) -> str:
    """What sets a map apart from the mean of full-softmax slices, to be put after its model's name:
    "", ", max over heads", ", max over heads, each head renormalised"."""
    heads = "" if spec.heads == "mean" else f", {parse_aggregator(spec.heads).words}"
    return heads + ("" if spec.reading == "slice" else ", each head renormalised")


def place(
    spec: BoxSpec,
    images: Sequence[str],
    previous: Boxes,
    grid_maps: NDArray[np.float64] | None = None,
) -> Boxes:
    """One box per image: int32 (B, 4) in pixels of the canvas.

    images: content digests, which seed random boxes; previous: (k, B, 4), the boxes to stay off;
    grid_maps: (B, g, g), for greedy boxes, which are placed on them upsampled to the canvas.
    """
    if isinstance(spec, FullBox):
        return full_box(len(images), spec.canvas)
    if isinstance(spec, CenterBox):
        return center_box(len(images), spec.size, spec.canvas)
    if isinstance(spec, TileBox):
        return tile_box(len(images), spec.number, spec.grid, spec.canvas)
    if isinstance(spec, RandomBox):
        return random_box(images, spec.size, spec.canvas, spec.seed, previous)
    if grid_maps is None:
        raise ValueError("a greedy box needs the attention maps it is placed on")
    return greedy_box(grid_maps, spec.size, previous, canvas=spec.canvas, images=images)


def canvas_of(spec: AttentionSpec | BoxSpec | EmbeddingSpec) -> Canvas:
    """The canvas that a model attends to, that a box is placed on, or that its crop is cut from."""
    if isinstance(spec, AttentionSpec):
        return Canvas(spec.input_size, spec.geometry, spec.draft)
    if isinstance(spec, EmbeddingSpec):
        return replace(canvas_of(spec.box), draft=spec.draft)
    if isinstance(spec, GreedyBox):
        return Canvas(spec.canvas, spec.map.attention.geometry)
    return Canvas(spec.canvas, spec.geometry)


def canvas_read(spec: AttentionSpec | BoxSpec | EmbeddingSpec | CanvasSpec) -> Canvas | None:
    """The canvas whose pixels a spec is computed from; None for boxes and crops from originals."""
    if isinstance(spec, CanvasSpec):
        return Canvas(spec.side, spec.geometry, spec.draft)
    if isinstance(spec, AttentionSpec):
        return canvas_of(spec)
    if isinstance(spec, EmbeddingSpec) and spec.source == "resized":
        return canvas_of(spec)
    return None


def canvas_spec(canvas: Canvas) -> CanvasSpec:
    """What stores images on this canvas."""
    return CanvasSpec(canvas.side, canvas.geometry, canvas.draft)


def chain(spec: BoxSpec) -> tuple[BoxSpec, ...]:
    """The boxes placed before this one, first to last."""
    before = spec.previous if isinstance(spec, GreedyBox | RandomBox) else None
    return (*chain(before), before) if before else ()
