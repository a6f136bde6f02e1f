"""`images.npy` holds the image digests of an artifact in their order, as fixed-width bytes."""

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import DamagedError
from ..files import atomic_write_bytes
from .header import Header
from .layout import IMAGES, Backend, Layout, layout_of


def write_images(folder: Path, images: Sequence[str]) -> None:
    """Write the digests (ASCII) in their order; raise A2pipeError if that is not possible."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(images, dtype=np.bytes_))
    atomic_write_bytes(folder / IMAGES, buffer.getbuffer())


def read_layout(folder: Path, header: Header) -> Layout:
    """Return the layout of the artifact in `folder`, whose header is given.

    Raises DamagedError if the digests are gone, or not those that the folder is named for.
    """
    try:
        layout = _parsed((folder / IMAGES).read_bytes(), header.shard_size, header.backend)
    except Exception as error:  # whatever a damaged file makes numpy raise
        raise DamagedError(_sentence(folder)) from error
    if layout.rows_id != header.rows_id:
        raise DamagedError(_sentence(folder))
    return layout


@lru_cache(maxsize=4)
def _parsed(data: bytes, shard_size: int, backend: Backend) -> Layout:
    """Return the layout of a file's bytes; artifacts over the same images share it."""
    stored = np.load(io.BytesIO(data))
    if stored.dtype.kind != "S" or stored.ndim != 1:
        raise ValueError("not a list of digests")
    # Decoded as one text, as there may be a million.
    images = tuple(b"\n".join(stored.tolist()).decode("ascii").split("\n"))
    return layout_of(images, shard_size, backend)


def _sentence(folder: Path) -> str:
    return f"{folder / IMAGES} is gone or altered: run `a2pipe cache verify --repair`."
