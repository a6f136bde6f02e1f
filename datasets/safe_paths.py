"""Keep paths that a benchmark's own files name from leading out of its folder."""

import os

from ..errors import UsageError


def join_inside(root: str | os.PathLike[str], relative: str) -> str:
    """Return `relative` joined to `root`, as text.

    Raises UsageError for an absolute path, an empty one, and one whose `..` leave the root. Links
    are not followed, as the user may keep images elsewhere and link to them.
    """
    # pathlib needs ten times as long, which tells with a million rows.
    normal = os.path.normpath(relative)
    if os.path.isabs(relative) or normal in (".", "..") or normal.startswith(f"..{os.sep}"):  # noqa: PTH117
        raise UsageError(
            f"{os.fspath(root)}: its files name {relative!r}, which is not a path inside that "
            "folder; take the dataset as it was published, or correct the path."
        )
    return os.path.join(root, normal)  # noqa: PTH118
