"""A small probe: a few images decoded and a batch through each model, for an estimate of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import BadImageError
from ...machine import cores
from ...models.preprocessing import to_unit
from ...stages.crops import whole_canvas
from ...stages.geometry import Canvas
from ...stages.pixels import load_crops
from ...stages.specs import ModelSpec
from ..session import Session
from ..shards.backbones import Backbones, weights_memo
from .estimate import Estimate, lacking, model_inputs

DECODES = 16
"""Images that are decoded, spread over the collection."""


@dataclass(frozen=True)
class Probe:
    """What was timed, in seconds.

    decode: of one image by one of the decoding threads; passes: of one image through a model, by
    "NAME at SIDE px, STAGE"; total: what all that is missing would take.
    """

    decode: float
    passes: dict[str, float]
    total: float

    def to_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dict(vars(self))

    def words(self) -> list[str]:
        """Lines for a person."""
        lines = [f"decoding takes {1000 * self.decode:.2f} ms an image and thread"]
        lines += [f"{what} takes {1000 * s:.2f} ms an image" for what, s in self.passes.items()]
        return [*lines, f"all that is missing takes about {_duration(self.total)}"]


def probe(session: Session, estimated: Estimate) -> Probe:
    """Time a batch of each model and a few decodes; nothing is stored.

    On the CPU the models share the cores with the decoding threads, so that both add up; elsewhere
    the slower of the two counts. Writing is not timed.
    """
    inputs = model_inputs(lacking(session.plan, session.cache))
    decode = _decoding(session) if estimated.decodes else 0.0
    run, memo = session.experiment.run, weights_memo(session.cache)
    backbones = Backbones(session.plan.backbones, run, memo)
    passes = {key: _passing(session, backbones, *key) for key in inputs}
    decoding = decode * estimated.decodes / (run.workers or cores())
    computing = sum(passes[key] * count for key, count in inputs.items())
    shared = backbones.device() in ("", "cpu")
    return Probe(
        decode,
        {f"{model.name} at {side} px, {stage}": s for (model, side, stage), s in passes.items()},
        decoding + computing if shared else max(decoding, computing),
    )


def _decoding(session: Session) -> float:
    """Seconds of one image, on this thread."""
    read = {spec.pixels for spec in session.plan.specs() if spec.pixels}
    crops = [whole_canvas(canvas) for canvas in sorted(read) or [Canvas(1)]]
    paths = list(_spread(session))
    start = time.perf_counter()
    for path in paths:
        with suppress(BadImageError):
            load_crops(path, crops)
    return (time.perf_counter() - start) / max(len(paths), 1)


def _spread(session: Session) -> Iterator[str]:
    images = session.collection.images
    path_of = session.collection.path_of
    for place in np.linspace(0, len(images) - 1, min(DECODES, len(images))).round().astype(int):
        yield path_of[images[place]]


def _passing(
    session: Session, backbones: Backbones, model: ModelSpec, side: int, stage: str
) -> float:
    """Seconds of one image in a full batch: the quicker of two, after one to warm up."""
    backbone = backbones.get(model)
    size = min(session.experiment.run.batch_size, len(session.collection.images))
    pixels = to_unit(np.full((size, side, side, 3), 128, np.uint8), backbone.device)

    def attend() -> object:
        return backbone.attention(pixels, [backbone.info.blocks])

    def embed() -> object:
        return backbone.embed(pixels)

    work = attend if stage == "attention" else embed
    work()
    return min(_seconds(work), _seconds(work)) / size


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _duration(seconds: float) -> str:
    """ "40 s", "12 min", "3.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
