"""`images.npy`: the ordered image digests of an artifact, as fixed-width bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DamagedError
from .files import atomic_write_bytes
from .header import Header
from .layout import IMAGES, Layout, layout_of


def write_images(folder: Path, images: Sequence[str]) -> None:
    """Write the digests (ASCII) in their order."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(images, dtype=np.bytes_))
    atomic_write_bytes(folder / IMAGES, buffer.getbuffer())


def read_layout(folder: Path, header: Header) -> Layout:
    """The artifact's layout; DamagedError if the digests are not those the folder is named for."""
    try:
        images = tuple(np.load(folder / IMAGES).astype(np.str_).tolist())
        layout = layout_of(images, header.shard_size, header.backend)
    except Exception as error:  # whatever a damaged file makes numpy raise
        raise DamagedError(_sentence(folder)) from error
    if layout.rows_id != header.rows_id:
        raise DamagedError(_sentence(folder))
    return layout


def _sentence(folder: Path) -> str:
    return f"{folder / IMAGES} is gone or altered: run `a2pipe cache verify --repair`."
