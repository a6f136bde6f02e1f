"""Records: dataset-level results, one JSON document with its arrays beside it.

`<root>/<stage>/<fingerprint>.json` and `.npz`. The arrays are written first; the document, which
holds their checksum and its own, is the commit.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DamagedError
from ..files import (
    FORMAT,
    FileSum,
    atomic_write_bytes,
    checked_json,
    make_folder,
    read_checked,
    read_checked_json,
    write_checked_json,
)
from .fingerprint import canonical, describe, fingerprint
from .header import provenance

Record = tuple[dict[str, Any], dict[str, Any]]


class Records:
    """The records under one cache root."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path(self, spec: Any) -> Path:
        """Where the spec's document lies, or would lie."""
        return self.root / str(spec.stage) / f"{fingerprint(spec)}.json"

    def write(self, spec: Any, content: Mapping[str, Any], arrays: Mapping[str, Any]) -> Path:
        """Store a result; returns the document's path.

        content: JSON without NaN. arrays: numbers or fixed-width text, no objects. ValueError for
        what cannot be stored; A2pipeError if the disk is full or the cache may not be written.
        """
        path = self.path(spec)
        make_folder(path.parent)
        document = {
            "format": FORMAT,
            "fingerprint": fingerprint(spec),
            "address": canonical(spec),
            "spec": describe(spec),
            "made": provenance(),
            "content": dict(content),
        }
        checked_json(document)  # refuses what is no JSON before any file is written
        total = atomic_write_bytes(path.with_suffix(".npz"), npz_bytes(arrays))
        write_checked_json(path, {**document, "arrays": asdict(total)})
        return path

    def read(self, spec: Any) -> Record | None:
        """Content and arrays; None if there is no record or a damaged one: it has to be made anew.

        A2pipeError if a newer version wrote it.
        """
        try:
            return read_record(self.path(spec))
        except (FileNotFoundError, NotADirectoryError, DamagedError):
            return None


def read_record(path: Path) -> Record:
    """Content and arrays of the document at `path`.

    FileNotFoundError, DamagedError, or A2pipeError if a newer version wrote it.
    """
    document = read_checked_json(path)
    if document is None:
        raise DamagedError(f"{path} is torn or altered: it has to be computed again.")
    packed = read_checked(path.with_suffix(".npz"), FileSum(**document["arrays"]), verify=True)
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        return document["content"], dict(arrays)


def npz_bytes(arrays: Mapping[str, Any]) -> memoryview:
    """The arrays as .npz: the same arrays always give the same bytes. ValueError for objects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as out:
                np.lib.format.write_array(out, np.asanyarray(arrays[name]), allow_pickle=False)
    return buffer.getbuffer()
