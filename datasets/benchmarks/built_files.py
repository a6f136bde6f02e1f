"""Write what is built for a benchmark without replacing anything else unasked."""

from collections.abc import Mapping
from pathlib import Path

from ...errors import UsageError
from ...files import replace_file


def write_built(contents: Mapping[Path, bytes], force: bool) -> None:
    """Write files, leaving those alone that have their content already.

    contents: the content of each file, by its path; the folders must exist.
    force: replace files with other content.

    Raises UsageError without `force` if a file has other content, and OSError if one cannot be
    written.
    """
    # All files are looked at before any is written, as they belong together.
    differing = [path for path, content in contents.items() if not _holds(path, content)]
    there = [path for path in differing if path.exists()]
    if there and not force:
        raise UsageError(f"{there[0]} is there with other content: --force replaces it.")
    for path in differing:
        replace_file(path, contents[path])


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content
