"""Named experiments and what they refer to: `<root>/experiments/<name>.json`.

What a named experiment refers to, `gc` leaves alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote

from ..errors import A2pipeError, DamagedError
from ..files import atomic_write_bytes, explained, fsync_dir, make_folder
from .layout import EXPERIMENTS, FORMAT
from .ledger import now
from .sealed import read_sealed, seal


def remember(root: Path, name: str, uses: Iterable[str | Path]) -> None:
    """Note what the experiment `name` uses, in place of what was noted before.

    uses: row folders and record documents (absolute below `root`, or relative to it), or bare
    fingerprints, which stand for every row folder and record of that fingerprint. To be called
    before the experiment computes, so that nothing it makes is ever unreferred.
    """
    path = _path(root, name)
    make_folder(path.parent)
    document = {"format": FORMAT, "name": name, "uses": sorted({_relative(root, u) for u in uses})}
    atomic_write_bytes(path, seal({**document, "written": now()}))


def forget(root: Path, name: str) -> bool:
    """Drop a named experiment; what it used is no longer kept for it. False if there is none."""
    path = _path(root, name)
    if not path.exists():
        return False
    with explained(path):
        path.unlink(missing_ok=True)
        fsync_dir(path.parent)
    return True


def experiments(root: Path) -> dict[str, set[str]]:
    """What every named experiment uses: fingerprints and paths relative to `root`.

    A2pipeError if one of the notes cannot be read or was written by a newer version: nothing may be
    deleted then.
    """
    paths = sorted((Path(root) / EXPERIMENTS).glob("*.json"))
    return {unquote(path.stem): _uses(path) for path in paths if not path.name.startswith(".")}


def uses_of(root: Path, name: str) -> set[str]:
    """What one named experiment uses; nothing if it has no note, or a torn one.

    A2pipeError if a newer version wrote the note.
    """
    try:
        return _uses(_path(root, name))
    except DamagedError:
        return set()


def referred(root: Path) -> set[str]:
    """Everything that some named experiment uses; raises as `experiments` does."""
    return set().union(*experiments(root).values())


def is_referred(relative: Path, uses: set[str]) -> bool:
    """Whether `uses` names this path below the root, a folder around it, or its fingerprint."""
    names = {str(p.as_posix()) for p in (relative, *relative.parents)}
    return bool(uses & (names | set(relative.parts) | {relative.stem}))


def _uses(path: Path) -> set[str]:
    try:
        document = read_sealed(path)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    if document is None:
        raise DamagedError(
            f"{path} is torn or altered, so what its experiment uses is unknown: run the "
            "experiment again, or delete this file if the experiment is no longer wanted."
        )
    return set(document["uses"])


def _path(root: Path, name: str) -> Path:
    if not name:
        raise A2pipeError("An experiment needs a name to be remembered by: give `name`.")
    return Path(root) / EXPERIMENTS / f"{_quoted(name)}.json"


def _quoted(name: str) -> str:
    quoted = quote(name, safe=" ")
    return quoted.replace(".", "%2E", 1) if quoted.startswith(".") else quoted


def _relative(root: Path, use: str | Path) -> str:
    path = Path(use)
    if path.is_absolute():
        return path.relative_to(Path(root).absolute()).as_posix()
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
