"""Paths that a benchmark's own files name: they may not lead out of its folder."""

import os

from ..errors import UsageError


def join_inside(root: str | os.PathLike[str], relative: str) -> str:
    """`relative` below `root`, as text. Links are not followed.

    Raises UsageError for an absolute path, an empty one, and one whose `..` leave the root.
    """
    # pathlib needs ten times as long, which a million rows notice.
    normal = os.path.normpath(relative)
    if os.path.isabs(relative) or normal in (".", "..") or normal.startswith(f"..{os.sep}"):  # noqa: PTH117
        raise UsageError(
            f"{os.fspath(root)}: its files name {relative!r}, which is not a path inside that "
            "folder; take the dataset as it was published, or correct the path."
        )
    return os.path.join(root, normal)  # noqa: PTH118
