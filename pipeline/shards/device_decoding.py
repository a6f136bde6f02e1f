"""Decode the JPEG files of a batch on a GPU, where the experiment asks for that.

Worker processes have read the files, and have decoded those that are not for the GPU. A thread of
its own makes canvases of the others while the models have the batch before.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from ...stages.device_canvas import device_canvases
from ...stages.geometry import Canvas
from ..experiment.schema import Experiment
from .batch import Batch


def decoding_device(experiment: Experiment) -> Any:
    """Return the CUDA device that decodes for an experiment; None where Pillow decodes all.

    Raises:
        A2pipeError: it is to be a GPU, and the run is not on one, or nvJPEG is missing.
    """
    if experiment.image.decode == "pillow":
        return None
    from ...stages.nvjpeg import require_nvjpeg

    return require_nvjpeg(experiment.run.device)


def decode_on(device: Any, batch: Batch) -> list[Callable[[], None]]:
    """Return the job that decodes the files of a batch, if it has any."""
    return [partial(_make_canvases, batch, device)] if batch.encoded else []


def _make_canvases(batch: Batch, device: Any) -> None:
    """Put the files of a batch on every canvas that a GPU makes, and note the bad ones."""
    places = sorted(batch.encoded)
    canvases = [
        each for each in batch.pixels if isinstance(each, Canvas) and each.decoder == "nvjpeg"
    ]
    found, bad = device_canvases([batch.encoded[place] for place in places], canvases, device)
    batch.bad |= {places[index]: str(error) for index, error in bad.items()}
    for canvas, squares in found.items():
        batch.made[canvas] = places, squares
        if canvas in batch.shard.arrays:
            # They are to be stored. Where a file lay in the place of its pixels, it is done with.
            batch.pixels[canvas][places] = squares.cpu().numpy()
    batch.encoded.clear()
