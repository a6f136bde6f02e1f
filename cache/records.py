"""A record is a result of a whole data set: one JSON document with its arrays beside it.

Records lie at `<root>/<stage>/<fingerprint>.json` and `.npz`. The arrays are written first; the
document, which holds their checksum and its own, commits them. In the other order a crash between
the two would leave a document whose arrays are not there.
"""

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
    """Records are read and written under one cache root, each at the fingerprint of its spec."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path(self, spec: Any) -> Path:
        """Return where the spec's document lies, or would lie."""
        return self.root / str(spec.stage) / f"{fingerprint(spec)}.json"

    def write(self, spec: Any, content: Mapping[str, Any], arrays: Mapping[str, Any]) -> Path:
        """Store a result and return its document's path.

        content: values of JSON, without NaN. arrays: numbers or fixed-width text, no objects.

        Raises ValueError for what cannot be stored, and A2pipeError if the disk is full or the
        cache may not be written.
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
        """Return the content and the arrays of a spec's record.

        Returns None if there is none, or a damaged one: it has to be made anew. Raises A2pipeError
        if a newer version wrote it.
        """
        try:
            return read_record(self.path(spec))
        except (FileNotFoundError, NotADirectoryError, DamagedError):
            return None


def read_record(path: Path) -> Record:
    """Return the content and the arrays of the record whose document is at `path`.

    Raises FileNotFoundError if there is none, DamagedError if it or its arrays are altered, and
    A2pipeError if a newer version wrote it.
    """
    document = read_checked_json(path)
    if document is None:
        raise DamagedError(f"{path} is torn or altered: it has to be computed again.")
    packed = read_checked(path.with_suffix(".npz"), FileSum(**document["arrays"]), verify=True)
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        return document["content"], dict(arrays)


def npz_bytes(arrays: Mapping[str, Any]) -> memoryview:
    """Return arrays as the bytes of an .npz; the same arrays always give the same bytes.

    Raises ValueError for arrays of objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as out:
                np.lib.format.write_array(out, np.asanyarray(arrays[name]), allow_pickle=False)
    return buffer.getbuffer()
