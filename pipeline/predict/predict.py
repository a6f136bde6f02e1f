"""Apply a saved head to new images, computing features as for the images that it was fitted on."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ...cache.catalog import Cache
from ...cache.records import Records
from ...datasets.collection import Collection
from ...datasets.formats.image_list import load_image_list
from ...errors import UsageError
from ...files import atomic_write_bytes, make_folder
from ...heads.saving import SavedHead, load_head
from ...stages.fits.head_plan import project_features
from ..experiment.load import load_experiment
from ..experiment.schema import Experiment
from ..planning.rows import PlanRow, find_row
from ..results.cells import feature_block, text_source
from ..session import Session, open_session
from ..shards.bad_images import BadImage
from ..shards.progress import Progress
from .saved_heads import identity

Box = tuple[float, float, float, float]
EDGES = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class Prediction:
    """A Prediction is what a head says of one image.

    path: the image. class_name: the predicted class. probabilities: of each class, by its name, in
    [0, 1]; empty if the head has none. boxes: the crops that the head was shown, x0, y0, x1, y1 in
    pixels of the upright image; the parts of a crop that lie outside the image are left out.
    """

    path: str
    class_name: str
    probabilities: dict[str, float]
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class PredictionRun:
    """A PredictionRun is the outcome of `predict`.

    predictions: one an image that could be used, in the order of the images. bad: the others, with
    the reason. session: where the features were computed. row: the row of its plan by which crops
    were placed. collection: the images that could be used, in the order of the predictions.
    """

    predictions: tuple[Prediction, ...]
    bad: tuple[BadImage, ...]
    session: Session
    row: PlanRow
    collection: Collection


def predict(
    head_file: str | Path,
    images: Sequence[str | Path],
    run: Mapping[str, Any] | None = None,
    cache_root: str | Path | None = None,
    progress: Progress | None = None,
) -> PredictionRun:
    """Apply a head that `save_cell` wrote to image files and to all images below folders.

    run: keys of the experiment's [run] section, such as device or weights, that replace those of
    the experiment the head was fitted in. cache_root: folder of the cache, by default
    `$A2PIPE_CACHE` or the user's cache folder; features that it holds are not computed again.
    progress: is told what is done; silent unless given.

    Raises:
        UsageError: there are no images; `save_cell` did not write the head; or it was fitted on
            features of other weights or another recipe than those of this machine.
        DamagedError: the head's file is damaged.
        A2pipeError: as a run does.
    """
    saved = load_head(Path(head_file))
    cache = Cache(Path(cache_root) if cache_root else None)
    collection = load_image_list(images, cache.root / "index" / "images.json")
    experiment = _experiment(saved, run or {})
    session = open_session(experiment, cache.root, progress, collection=collection)
    row = find_row(session.plan.rows, saved.about.notes["row"])
    (column,) = session.plan.columns
    session.plan = session.plan.only(row)
    features = session.plan.features(row, column)
    # Before anything is computed: features of other weights would give wrong classes unnoticed.
    saved.check_features(session.plan.width(row, column), identity(features))
    session.compute()
    bad = session.bad_images()
    usable = session.usable(bad)
    block = feature_block(session, usable, row, column)
    with threadpool_limits(1):
        X = project_features(
            block.read(np.arange(len(usable))),
            session.experiment.head[0].parameters,
            features,
            text_source(session, column),
            Records(cache.root),
        )
    predictions = _predictions(saved, X, session, row, usable) if len(usable) else ()
    return PredictionRun(tuple(predictions), tuple(bad), session, row, usable)


def _experiment(saved: SavedHead, run: Mapping[str, Any]) -> Experiment:
    """Return the experiment that the head was fitted in, with [run] as this machine has it."""
    notes = saved.about.notes
    if not {"experiment", "row"} <= notes.keys():
        raise UsageError(
            f"{saved.path} does not say how images become its features: only what `a2pipe "
            "save-head` wrote can be applied to images."
        )
    content = {**notes["experiment"], "dataset": {"name": "images"}}
    own = {**content["run"], "device": "auto", "gpus": None, "limit": None, **run}
    own["weights"] = {**content["run"].get("weights", {}), **run.get("weights", {})}
    return load_experiment({**content, "run": own})


def _predictions(
    saved: SavedHead, X: NDArray[np.float32], session: Session, row: PlanRow, collection: Collection
) -> list[Prediction]:
    with threadpool_limits(1):
        classes = saved.head.predict(X)
        chances = _chances(saved, X)
    names = saved.about.class_names
    boxes = _boxes_in_images(session, row, collection)
    return [
        Prediction(path, names[int(label)], by_name, seen)
        for path, label, by_name, seen in zip(
            collection.paths, classes, chances, boxes, strict=True
        )
    ]


def _chances(saved: SavedHead, X: NDArray[np.float32]) -> list[dict[str, float]]:
    """Return by name the probability of every class that the head knows, for each image."""
    if not hasattr(saved.head, "predict_proba"):
        return [{}] * len(X)
    names = [saved.about.class_names[int(label)] for label in saved.head.classes_]
    shares = saved.head.predict_proba(X)
    return [dict(zip(names, map(float, share), strict=True)) for share in shares]


def _boxes_in_images(
    session: Session, row: PlanRow, collection: Collection
) -> list[tuple[Box, ...]]:
    images = list(collection.digests)
    placed = [(box.image_canvas, session.read(box, images)) for box in row.boxes]

    def seen(image: int) -> tuple[Box, ...]:
        width, height = map(int, collection.sizes[image])
        frames = [(canvas.frame(width, height), boxes[image]) for canvas, boxes in placed]
        return tuple(frame.seen((int(a), int(b), int(c), int(d))) for frame, (a, b, c, d) in frames)

    return [seen(image) for image in range(len(collection))]


# --- files --------------------------------------------------------------------------------------


def check_file(path: Path) -> None:
    """Raise UsageError unless the name ends like a file that can be written."""
    if path.suffix.lower() not in (".csv", ".json"):
        raise UsageError(f"Predictions are written as .csv or .json, not to {path}.")


def write_predictions(run: PredictionRun, path: Path) -> None:
    """Write all predictions to a .csv or .json file, completely or not at all.

    Raises:
        UsageError: the name ends neither in .csv nor in .json.
        A2pipeError: the file cannot be written.
    """
    check_file(path)
    text = to_csv(run) if path.suffix.lower() == ".csv" else json.dumps(to_json(run), indent=2)
    make_folder(path.absolute().parent)
    atomic_write_bytes(path, text.encode())


def to_json(run: PredictionRun) -> dict[str, Any]:
    """Return all predictions, and the bad images with the reason, as plain JSON values."""
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
    """Return one line an image: path, class, the probability of each class, the edges of each crop.

    A bad image has its reason in the last column, which is empty for the others, and nothing else.
    """
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
