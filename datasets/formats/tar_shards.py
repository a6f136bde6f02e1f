"""Find the tars that a name stands for: one, a brace or glob pattern, or a folder, path or URL."""

import itertools
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...errors import UsageError, first_line
from ..images.remote import file_system, is_url, local_or_url
from ..numbering import SPLIT_NAMES

SUFFIX = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
MOST = 100_000
"""A pattern may stand for this many names at most."""
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class TarShard:
    """A TarShard is one tar.

    archive: its absolute path or URL.
    split: the split that its name or folder says, "train", "val" or "test", else "".
    """

    archive: str
    split: str


def looks_like_tars(name: str) -> bool:
    """Tell whether a dataset's name means tars.

    It does if it ends in .tar or a compressed form, if it is a URL, and if it is a folder that
    holds tars, itself or in split folders.
    """
    if name.lower().endswith((SUFFIX, *COMPRESSED)) or is_url(name) or name.startswith("file://"):
        return True
    folder = Path(name).expanduser()
    return folder.is_dir() and next(_tars_in(str(folder)), None) is not None


def some_tar_matches(name: str) -> bool:
    """Tell whether a path, or a brace or glob pattern of paths, stands for a tar that is there."""
    if not name.lower().endswith(SUFFIX):
        return False
    found = (path for each in expand_braces(local_or_url(name)) for path in _local(each))
    return any(Path(path).exists() for path in found)


def find_shards(name: str) -> tuple[TarShard, ...]:
    """Return the tars of a path, pattern, folder or URL, each once.

    name: `{000..012}` in it counts with leading zeros, `{a,b}` lists, and `*`, `?`, `[…]` match
        what is there. Braces give the order of the tars, anything else their names.

    The split of a tar is what its name begins with (train, val, test and so on), else its folder's
    name. A tar that a name or a brace pattern spells out is listed whether or not it is there.

    Raises UsageError for a compressed tar, and for a pattern that matches nothing or too much.
    """
    whole = local_or_url(name)
    if whole.lower().endswith(COMPRESSED):
        raise UsageError(
            f"{name} is compressed, so that its images cannot be read where they lie: decompress "
            "it to a .tar."
        )
    found = list(dict.fromkeys(itertools.chain.from_iterable(map(_matches, expand_braces(whole)))))
    if not found:
        raise UsageError(f"No tar is called {name}: check the path or the pattern.")
    return tuple(TarShard(archive, _split(archive)) for archive in found)


def expand_braces(pattern: str) -> Iterator[str]:
    """Return every name that the braces of a pattern stand for.

    Raises UsageError if there are more than 100,000.
    """
    # Counted before anything is spelled out: `{0..999999999}` would fill the memory.
    total = math.prod(len(_choices(found[1])) for found in _BRACES.finditer(pattern))
    if total > MOST:
        raise UsageError(f"{pattern} stands for {total:,} tars: {MOST:,} at most.")
    return _expanded(pattern)


def _expanded(pattern: str) -> Iterator[str]:
    found = _BRACES.search(pattern)
    if found is None:
        yield pattern
        return
    for choice in _choices(found[1]):
        yield from _expanded(f"{pattern[: found.start()]}{choice}{pattern[found.end() :]}")


def _choices(inner: str) -> range | list[str]:
    bounds = _RANGE.fullmatch(inner)
    if bounds is None:
        return inner.split(",")
    first, last = int(bounds[1]), int(bounds[2])
    width = len(bounds[1])
    if last - first >= MOST:
        return range(first, last + 1)
    return [f"{number:0{width}d}" for number in range(first, last + 1)]


def _matches(path: str) -> list[str]:
    """Return the tars of one name without braces."""
    try:
        return _remote(path) if is_url(path) else _local(path)
    except UsageError:
        raise
    except Exception as error:  # a remote file system raises whatever its client does
        raise UsageError(f"{path} cannot be listed: {first_line(error)}.") from error


def _local(path: str) -> list[str]:
    if Path(path).is_dir():
        return list(_tars_in(path))
    if Path(path).exists() or not _GLOB.search(path):
        return [path]
    import glob

    return sorted(glob.glob(path))  # noqa: PTH207 (a pattern may be absolute)


def _tars_in(folder: str) -> Iterator[str]:
    """Yield the tars of a folder, or if it has none those of its split folders."""
    there = sorted(os.listdir(folder))  # noqa: PTH208
    tars = [name for name in there if name.lower().endswith(SUFFIX) and name[0] != "."]
    yield from (os.path.join(folder, name) for name in tars)  # noqa: PTH118
    for name in there:
        below = os.path.join(folder, name)  # noqa: PTH118
        if not tars and name.lower() in SPLIT_NAMES and Path(below).is_dir():
            yield from _tars_in(below)


def _remote(url: str) -> list[str]:
    system, path = file_system(url)
    if _GLOB.search(path):
        found = sorted(system.glob(path))
    elif system.isdir(path):
        found = sorted(system.glob(f"{path}/*{SUFFIX}") or system.glob(f"{path}/*/*{SUFFIX}"))
    else:
        return [url]
    return [system.unstrip_protocol(each) for each in found]


def _split(archive: str) -> str:
    path = PurePosixPath(archive)
    word = re.match(r"[a-z]*", path.name.lower())
    for name in (word[0] if word else "", path.parent.name.lower()):
        if name in SPLIT_NAMES:
            return SPLIT_NAMES[name]
    return ""
