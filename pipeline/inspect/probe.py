"""Estimate the time of a run: decode a few images, and time a batch through each model."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...errors import BadImageError
from ...models.outputs import Output
from ...models.preprocessing import to_unit
from ...stages.crops import whole_canvas
from ...stages.geometry import Canvas
from ...stages.pixels import load_crops
from ...stages.specs import BoxSpec, ModelSpec
from ..session import Session
from ..shards.backbones import Backbones, weights_memo
from ..shards.decoding import processes
from .estimate import Estimate

DECODES = 16
"""At most so many images are decoded, spread over the collection."""


@dataclass(frozen=True)
class Probe:
    """A Probe says what was timed, in seconds.

    decode: for one image in one process. passes: "NAME at SIDE px, STAGE" -> for one image through
    this model. total: for everything that is missing.
    """

    decode: float
    passes: dict[str, float]
    total: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values by name."""
        return dict(vars(self))

    def words(self) -> list[str]:
        """Return the times as lines for a person."""
        lines = [f"decoding takes {1000 * self.decode:.2f} ms an image and process"]
        lines += [f"{what} takes {1000 * s:.2f} ms an image" for what, s in self.passes.items()]
        return [*lines, f"all that is missing takes about {_duration(self.total)}"]


def probe(session: Session, estimated: Estimate) -> Probe:
    """Time a few decodes and a batch through each model that is needed, and store nothing.

    estimated: what is missing of the session's plan. The time to write rows is not in the total.

    Raises:
        A2pipeError: a model cannot be loaded.
    """
    decode = _decoding(session) if estimated.decodes else 0.0
    run, memo = session.experiment.run, weights_memo(session.cache)
    backbones = Backbones(session.plan.backbones, run, memo)
    passes = {key: _passing(session, backbones, *key) for key in estimated.inputs}
    decoding = decode * estimated.decodes / processes(run.workers)
    computing = sum(passes[key] * count for key, count in estimated.inputs.items())
    # On the CPU the models share the cores with the decoding processes, so the times add up. On a
    # GPU both go on at once, and the slower one counts.
    shared = backbones.device() in ("", "cpu")
    return Probe(
        decode,
        {f"{model.name} at {side} px, {stage}": s for (model, side, stage), s in passes.items()},
        decoding + computing if shared else max(decoding, computing),
    )


def _decoding(session: Session) -> float:
    """Return the seconds to decode one image on this thread to all canvases of the plan."""
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
    """Return the seconds of one image in a full batch through a model."""
    backbone = backbones.get(model)
    size = min(session.experiment.run.batch_size, len(session.collection.images))
    pixels = to_unit(np.full((size, side, side, 3), 128, np.uint8), backbone.device)
    work = partial(backbone.read, pixels, _outputs(session, model, side, stage))
    work()  # the first pass also allocates memory and chooses kernels
    return min(_seconds(work), _seconds(work)) / size


def _outputs(session: Session, model: ModelSpec, side: int, stage: str) -> list[Output]:
    """Return what the specs of a stage ask a model for at one side."""
    specs = [spec for spec in session.plan.specs_of((stage,)) if not isinstance(spec, BoxSpec)]
    asked = [spec.output for spec in specs if (spec.model, spec.input_size) == (model, side)]
    return list(dict.fromkeys(asked))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _duration(seconds: float) -> str:
    """Return seconds as text: "40 s", "12 min", "3.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
