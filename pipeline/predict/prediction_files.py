"""Predictions as files: CSV, one line an image, or JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...files import atomic_write_bytes, make_folder
from .predict import PredictionRun

EDGES = ("x0", "y0", "x1", "y1")


def check_file(path: Path) -> None:
    """Raise UsageError unless the name ends like a file that can be written."""
    if path.suffix.lower() not in (".csv", ".json"):
        raise UsageError(f"Predictions are written as .csv or .json, not to {path}.")


def write_predictions(run: PredictionRun, path: Path) -> None:
    """Write to a .csv or .json file, wholly or not at all; A2pipeError if that cannot be done."""
    check_file(path)
    text = to_csv(run) if path.suffix.lower() == ".csv" else json.dumps(to_json(run), indent=2)
    make_folder(path.absolute().parent)
    atomic_write_bytes(path, text.encode())


def to_json(run: PredictionRun) -> dict[str, Any]:
    """All of it: predictions, and bad images with the reason."""
    return {
        "predictions": [
            {
                "path": found.path,
                "class": found.class_name,
                "probabilities": found.probabilities,
                "boxes": [list(box) for box in found.boxes],
            }
            for found in run.predictions
        ],
        "bad_images": [{"path": image.path, "reason": image.reason} for image in run.bad],
    }


def to_csv(run: PredictionRun) -> str:
    """One line an image: path, class, a probability for each class, the edges of each crop; a bad
    image has its reason in the last column and nothing else."""
    shares = list(run.predictions[0].probabilities) if run.predictions else []
    edges = [f"crop{i + 1}_{edge}" for i in range(len(run.row.boxes)) for edge in EDGES]
    names = [*(f"probability of {name}" for name in shares), *edges]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "class", *names, "bad"])
    for found in run.predictions:
        numbers = [*found.probabilities.values(), *(edge for box in found.boxes for edge in box)]
        writer.writerow([found.path, found.class_name, *numbers, ""])
    for image in run.bad:
        writer.writerow([image.path, "", *("" for _ in names), image.reason])
    return text.getvalue()
