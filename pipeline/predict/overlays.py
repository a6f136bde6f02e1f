"""Draw predictions: each image with its attention and its crops, in a file named by the class."""

import re
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...files import explained, make_folder
from ...reports.overlay import draw_attention, draw_boxes
from ...stages.pixels import load_canvas
from ..results.report import attention_maps
from ..session import Session
from .predict import PredictionRun

NO_BOXES = np.zeros((0, 4))


def save_overlays(run: PredictionRun, folder: Path) -> list[Path]:
    """Write one PNG an image, `NUMBER-FILE-CLASS.png`, and return their paths by number.

    A picture has 288 x 288 px. It shows the canvas with the crops that the head was shown and, if
    attention placed them, the attention map over it.

    Raises:
        A2pipeError: they cannot be written.
    """
    make_folder(folder)
    written: dict[int, Path] = {}
    for number, picture in _pictures(run):
        prediction = run.predictions[number]
        words = [_plain(Path(prediction.path).stem), _plain(prediction.class_name)]
        written[number] = folder / f"{'-'.join([f'{number:05d}', *words])}.png"
        with explained(written[number]):
            Image.fromarray(picture).save(written[number])
    return [written[number] for number in sorted(written)]


def _pictures(run: PredictionRun) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the number of every prediction, in the order of shards, and its picture."""
    if not run.predictions:
        return
    session, row, digests = run.session, run.row, list(run.collection.digests)
    canvas = row.boxes[0].image_canvas
    boxes = np.stack([session.read(box, digests) for box in row.boxes], axis=1)
    for part in _by_shard(session, digests):
        images = [digests[number] for number in part]
        maps = attention_maps(session, row, images) if row.map else repeat(None, len(part))
        for number, attention in zip(part.tolist(), maps, strict=True):
            pixels = load_canvas(run.predictions[number].path, canvas)
            if attention is None:
                yield number, draw_boxes(pixels, boxes[number], NO_BOXES)
            else:
                yield number, draw_attention(pixels, attention, boxes[number], NO_BOXES)


def _by_shard(session: Session, images: list[str]) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of the images shard by shard.

    A read hashes every shard that it touches. Attention rows of all images at once may not fit
    into memory, so they are read a shard at a time, and each shard is still read only once.
    """
    row_of = {image: row for row, image in enumerate(session.collection.images)}
    rows = np.array([row_of[image] for image in images], np.int64)
    shards = rows // session.experiment.run.shard_size
    order = np.argsort(shards, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(shards[order])) + 1)


def _plain(text: str) -> str:
    """Return a text as part of a file name."""
    return re.sub(r"[^\w.+-]+", "_", text)[:80]
