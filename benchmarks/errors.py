"""What a cheaper way of computing costs, in terms of what the pipeline makes of the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from a2pipe.stages.boxes.greedy import greedy_boxes
from a2pipe.stages.maps import patch_maps


def attention_error(
    exact: Any, other: Any, prefix: int, *, canvas: int = 224, crop: int = 64
) -> dict[str, float]:
    """Of CLS rows (B, heads, tokens): largest difference, mean total variation distance, share of
    images whose crop is the same, and how far the crops lie apart on average, in pixels."""
    difference = np.abs(exact - other)
    first, second = (crops(rows, prefix, canvas, crop) for rows in (exact, other))
    return {
        "attention_largest": float(difference.max()),
        "attention_total_variation": float(difference.sum(-1).mean() / 2),
        "boxes_equal": float((first == second).all(-1).mean()),
        "boxes_apart_px": float(np.hypot(*(first - second)[:, :2].T).mean()),
    }


def embedding_error(exact: Any, other: Any) -> dict[str, float]:
    """Of embeddings (B, d): relative error by norm, and mean cosine."""
    norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(other, axis=1)
    return {
        "embedding_relative": float(np.linalg.norm(exact - other) / np.linalg.norm(exact)),
        "embedding_cosine": float(((exact * other).sum(1) / norms).mean()),
    }


def crops(rows: Any, prefix: int, canvas: int, size: int) -> Any:
    """The crop of each image, int32 (B, 4)."""
    none = np.empty((0, len(rows), 4), np.int32)
    names = [str(number) for number in range(len(rows))]
    return greedy_boxes(patch_maps(rows, prefix), [size], none, canvas=canvas, images=names)[0]
