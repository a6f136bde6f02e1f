"""Event files for TensorBoard are an option, as its package is none that a2pipe needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError

FOLDER = "events"


def require_tensorboard() -> None:
    """Raise UsageError if event files cannot be written, as TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "Event files need TensorBoard, which is not installed: run `pip install tensorboard`, "
            "or leave training.tensorboard out."
        ) from error


class Events:
    """Events are the event files of one training, which TensorBoard shows.

    folder: of the training. step: the step that it goes on from; later events of the files that are
    there count as never written. wanted: off makes every call do nothing.
    """

    def __init__(self, folder: Path, step: int, wanted: bool) -> None:
        self._writer: Any = None
        if wanted:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder / FOLDER), purge_step=step + 1)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write what was measured after a step."""
        if self._writer is None:
            return
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
