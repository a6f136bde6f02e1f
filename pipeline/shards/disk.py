"""Room on the disk of the cache, asked for before anything is computed."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...errors import A2pipeError


def free_bytes(root: Path) -> int:
    """Bytes that are free on the disk of a folder, which need not exist yet; quotas aside."""
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    return shutil.disk_usage(there).free


def require_room(root: Path, needed: int) -> None:
    """Raise A2pipeError unless so many bytes are free on the disk of the cache."""
    free = free_bytes(root)
    if needed > free:
        raise A2pipeError(
            f"The results would take {size_words(needed)}, and {size_words(free)} are free on the "
            f"disk of {root}: free some, or choose another cache with --cache."
        )


def size_words(count: int) -> str:
    """A number of bytes for a person: "0.8 MB", "12.3 GB"."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e6:,.1f} MB"
