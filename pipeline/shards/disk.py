"""Check that the disk has room for the results before anything is computed."""

import shutil
from pathlib import Path

from ...errors import A2pipeError


def free_bytes(root: Path) -> int:
    """Return the bytes that are free on the disk of a folder, which need not exist yet.

    A user's quota may be less; it is not looked at.
    """
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    return shutil.disk_usage(there).free


def require_room(root: Path, needed: int) -> None:
    """Raise A2pipeError unless `needed` bytes are free on the disk of the folder `root`."""
    free = free_bytes(root)
    if needed > free:
        raise A2pipeError(
            f"The results would take {size_words(needed)}, and {size_words(free)} are free on the "
            f"disk of {root}: free some, or choose another cache with --cache."
        )


def size_words(count: int) -> str:
    """Return a number of bytes as text: "0.8 MB", "12.3 GB", "1.5 TB"."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e6:,.1f} MB"
