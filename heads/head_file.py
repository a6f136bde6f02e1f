"""The file of a head is safetensors, with a JSON document and its checksum in the metadata."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError, DamagedError, UnwritableError, UsageError
from ..files import replace_file

DOCUMENT = "a2pipe_head"
CHECKSUM = "sha256"


def write_file(path: Path, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write contiguous arrays and a JSON document so that a reader sees all of it or nothing.

    Raises A2pipeError (UnwritableError where it is not permitted) if the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save

    text = json.dumps(document, sort_keys=True)
    metadata = {DOCUMENT: text, CHECKSUM: _checksum(text, arrays)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, save(dict(arrays), metadata=metadata))
    except (OSError, SafetensorError) as error:
        forbidden = isinstance(error, PermissionError)
        reason = getattr(error, "strerror", None) or error
        raise (UnwritableError if forbidden else A2pipeError)(
            f"The head could not be saved to {path} ({reason}): choose another file."
        ) from error


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the document and arrays of a file.

    Raises UsageError if there is no such file or it is not of a head, and DamagedError if its bytes
    are not those that were written.
    """
    from safetensors import SafetensorError, safe_open

    foreign = f"{path} is not a saved head: give a file that a2pipe saved."
    if not path.is_file():
        raise UsageError(f"There is no saved head {path}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if DOCUMENT not in metadata:
                raise UsageError(foreign)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UsageError(foreign) from error
    if metadata.get(CHECKSUM) != _checksum(metadata[DOCUMENT], arrays):
        raise DamagedError(f"The saved head {path} is damaged: save it anew, or copy it again.")
    return json.loads(metadata[DOCUMENT]), arrays


def _checksum(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the document and of every array's name, type, shape and bytes."""
    total = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        total.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()
