"""A note, `<root>/experiments/<name>@<digest>.json`, says what a named experiment refers to.

What a note names, `gc` leaves alone.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import A2pipeError, DamagedError, UsageError
from ..files import FORMAT, delete_file, make_folder, read_checked_json, write_checked_json
from .fingerprint import digest_of
from .layout import EXPERIMENTS
from .ledger import now

READABLE = 100
"""So many characters of the experiment's name stand in the name of its note's file."""
_NAMELESS = "An experiment needs a name to be remembered by: give `name`."


@dataclass(frozen=True)
class Reference:
    """A Reference says whose use of the cache a note is about; each has a note of its own.

    name: the experiment's name. origin: the resolved path of its file, or what stands for its
    dataset; "" in a note of an earlier version, which did not say. purpose: what the rows and
    records are used for, such as "localize"; "" for the matrix. limit: the number of samples that
    the run was limited to, None for all.
    """

    name: str
    origin: str = ""
    purpose: str = ""
    limit: int | None = None

    @property
    def label(self) -> str:
        """Return name, purpose and limit in words; `forget` takes it, and old notes go by it."""
        limit = f"limit {self.limit}" if self.limit else ""
        return " ".join(word for word in (self.name, self.purpose, limit) if word)


def remember(root: Path, reference: Reference, uses: Iterable[str | Path]) -> None:
    """Note what an experiment uses, in place of what was noted under this reference before.

    uses: row folders and record documents (absolute below `root`, or relative to it), or bare
    fingerprints, which stand for every row folder and record of that fingerprint. To be called
    before the experiment computes, so that nothing it makes is ever unreferred.

    Raises A2pipeError if the name is empty, or the note cannot be written.
    """
    if not reference.name:
        raise A2pipeError(_NAMELESS)
    path, named = _path(root, reference), {_relative(root, use) for use in uses}
    make_folder(path.parent)
    document = {"format": FORMAT, **asdict(reference), "uses": sorted(named), "written": now()}
    write_checked_json(path, document)
    _drop_old_note(root, reference.label, named)


def forget(root: Path, label: str) -> bool:
    """Drop the note with this label, and say whether there is one.

    label: as `Reference.label`; or, where no note has that label, the origin of an experiment, all
    of whose notes are dropped.

    Raises UsageError if the label is that of several experiments, which are to be named by their
    origin, and A2pipeError if the label is empty or where `experiments` does.
    """
    if not label:  # which is the origin of all notes of an earlier version
        raise A2pipeError(_NAMELESS)
    notes = list(_notes(root))
    # Labels go first: an experiment of flags alone may have the origin "demo-01" and that name, and
    # its name is to drop one of its notes, not its studies too.
    named = {ref: path for ref, path in notes if ref.label == label}
    found = named or {ref: path for ref, path in notes if ref.origin == label}
    origins = sorted({reference.origin for reference in found} - {""})
    if len(origins) > 1:
        # Dropping all of them would free the work of an experiment that was not meant.
        raise UsageError(
            f"Several experiments are called {label!r}; name the one to forget by its file: "
            f"{', '.join(origins)}."
        )
    for path in found.values():
        delete_file(path)
    return bool(found)


def experiments(root: Path) -> dict[Reference, set[str]]:
    """Return what every named experiment uses: fingerprints and paths relative to `root`.

    Raises A2pipeError if a note cannot be read or a newer version wrote it. Nothing may be deleted
    then, as what it names is unknown.
    """
    return {reference: _uses(path) for reference, path in _notes(root)}


def uses_of(root: Path, reference: Reference) -> set[str]:
    """Return what is noted under one reference: nothing if it has no note, or a torn one.

    Raises A2pipeError if a newer version wrote the note.
    """
    return _uses_or_none(_path(root, reference))


def referred(root: Path) -> set[str]:
    """Return everything that some named experiment uses; raises as `experiments` does."""
    return set().union(*experiments(root).values())


def is_referred(relative: Path, uses: set[str]) -> bool:
    """Tell whether `uses` names this path below the root, a folder around it, or its digest."""
    names = {str(p.as_posix()) for p in (relative, *relative.parents)}
    return bool(uses & (names | set(relative.parts) | {relative.stem}))


def _notes(root: Path) -> Iterator[tuple[Reference, Path]]:
    for path in sorted((Path(root) / EXPERIMENTS).glob("*.json")):
        document = {} if path.name.startswith(".") else _document(path)
        if document:
            known = {field.name for field in fields(Reference)} & document.keys()
            yield Reference(**{name: document[name] for name in known}), path


def _uses(path: Path) -> set[str]:
    return set(_document(path).get("uses", ()))


def _uses_or_none(path: Path) -> set[str]:
    try:
        return _uses(path)
    except DamagedError:
        return set()


def _document(path: Path) -> dict[str, Any]:
    """Return a note as it was written, {} where there is none; raise DamagedError if altered."""
    try:
        document = read_checked_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if document is None:
        raise DamagedError(
            f"{path} is torn or altered, so what its experiment uses is unknown: run the "
            "experiment again, or delete this file if the experiment is no longer wanted."
        )
    return document


def _drop_old_note(root: Path, label: str, uses: set[str]) -> None:
    """Remove the note of an earlier version under this label once another note covers it.

    Such a note does not say which of several experiments of one name it is of. So a run of that
    name may take it over only if nothing that it names becomes free by that.
    """
    path = Path(root) / EXPERIMENTS / f"{_quoted(label)}.json"
    with suppress(OSError):  # a name too long for a file has no note of an earlier version
        path.stat()
        if _uses_or_none(path) <= uses:
            delete_file(path)


def _path(root: Path, reference: Reference) -> Path:
    """Return where the note of a reference lies, or would lie."""
    # In names "@" is quoted, so that no note of an earlier version has a file name like this.
    key = (reference.name, reference.origin, reference.purpose, str(reference.limit))
    file = f"{_quoted(reference.name)[:READABLE]}@{digest_of(key)[:16]}.json"
    return Path(root) / EXPERIMENTS / file


def _quoted(name: str) -> str:
    quoted = quote(name, safe=" ")
    return quoted.replace(".", "%2E", 1) if quoted.startswith(".") else quoted


def _relative(root: Path, use: str | Path) -> str:
    path = Path(use)
    if path.is_absolute():
        return path.relative_to(Path(root).absolute()).as_posix()
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
