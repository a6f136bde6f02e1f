"""Files of a training are written whole or not at all, and a full disk is told in one sentence."""

import errno
from pathlib import Path

from ..errors import A2pipeError
from ..files import make_folder, replace_file

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_file(path: Path, data: bytes) -> None:
    """Write a file in place of what was there, which is kept if that fails.

    Raises A2pipeError if the disk is full or the file cannot be written.
    """
    make_folder(path.parent)
    try:
        replace_file(path, data)
    except OSError as error:
        if error.errno in _FULL:
            raise A2pipeError(
                f"No space is left (disk or quota) to write {path}: free some and run again; the "
                "training goes on from its last checkpoint, which is kept."
            ) from error
        raise A2pipeError(
            f"{path} cannot be written ({error.strerror or error}): choose another --out; the last "
            "checkpoint is kept."
        ) from error
