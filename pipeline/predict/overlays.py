"""Pictures of predictions: each image with its attention and its crops, named by the class."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from ...files import explained, make_folder
from ...reports.overlay import draw_attention, draw_boxes
from ...stages.cuts import load_canvas
from ...stages.placement import canvas_of
from ..results.report import row_maps
from .predict import PredictionRun

NONE = np.zeros((0, 4))


def save_overlays(run: PredictionRun, folder: Path) -> list[Path]:
    """Write one PNG an image, `NUMBER-FILE-CLASS.png`, and return their paths.

    Raises:
        A2pipeError: they cannot be written.
    """
    make_folder(folder)
    digests, canvas = run.collection.digests, canvas_of(run.row.boxes[0])
    written = []
    for number, (digest, prediction) in enumerate(zip(digests, run.predictions, strict=True)):
        pixels = load_canvas(prediction.path, canvas)
        boxes = np.concatenate([run.session.read(box, [digest]) for box in run.row.boxes])
        if run.row.map is None:
            picture = draw_boxes(pixels, boxes, NONE)
        else:
            attention = row_maps(run.session, run.row, [digest])[0]
            picture = draw_attention(pixels, attention, boxes, NONE)
        name = f"{number:05d}-{_plain(Path(prediction.path).stem)}-{_plain(prediction.class_name)}"
        path = folder / f"{name}.png"
        with explained(path):
            Image.fromarray(picture).save(path)
        written.append(path)
    return written


def _plain(text: str) -> str:
    """Text as part of a file name."""
    return re.sub(r"[^\w.+-]+", "_", text)[:80]
