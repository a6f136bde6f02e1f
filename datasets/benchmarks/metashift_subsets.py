"""Read MetaShift's table of subsets: which images show a class in a context, such as `cat(sofa)`.

Liang and Zou, MetaShift: A Dataset of Datasets for Evaluating Contextual Distribution Shifts and
Training Conflicts, ICLR 2022. The table is their `full-candidate-subsets.pkl`.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError, first_line
from ...registry import did_you_mean
from .safe_pickle import read_pickle

PAPER = (
    "Liang and Zou, MetaShift: A Dataset of Datasets for Evaluating Contextual Distribution "
    "Shifts and Training Conflicts, ICLR 2022"
)
HOMEPAGE = "its authors' repository Weixin-Liang/MetaShift, the images by the GQA dataset"

# An id becomes part of a path, so one with slashes or dots could lead out of the folder of images.
_IMAGE_ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Subsets:
    """Subsets are MetaShift's table.

    path: the file that errors name.
    images: ids of the images in each subset, by its name, `class(context)`.
    """

    path: Path
    images: Mapping[str, frozenset[str]]

    def contexts(self, class_name: str) -> list[str]:
        """Return the contexts of a class, sorted by code point, however few images they have."""
        start = f"{class_name}("
        found = [name for name in self.images if name.startswith(start) and name.endswith(")")]
        return sorted(name[len(start) : -1] for name in found)

    def of(self, class_name: str, context: str) -> frozenset[str]:
        """Return the image ids of a subset; raise UsageError if the table has no such subset."""
        name = subset_name(class_name, context)
        if name not in self.images:
            advice = did_you_mean(name, self.images, "check its spelling.")
            raise UsageError(f"{self.path} has no subset {name!r}: {advice}")
        return self.images[name]


def subset_name(class_name: str, context: str) -> str:
    """Return `class(context)`, as the table writes it."""
    return f"{class_name}({context})"


def read_subsets(path: Path) -> Subsets:
    """Read `full-candidate-subsets.pkl` as data; no code in it is run.

    Raises UsageError for a file that is not a dict from names of subsets to ids of images.
    """
    path = path.expanduser()
    table = read_pickle(path)
    if not isinstance(table, dict) or not table:
        raise UsageError(f"{path} holds no table of subsets: give full-candidate-subsets.pkl.")
    # One set may stand under many names, and is looked through once.
    read: dict[int, frozenset[str]] = {}
    for name, members in table.items():
        _check_entry(path, name, members)
        if id(members) not in read:
            read[id(members)] = _ids(path, name, members)
    return Subsets(path, {name: read[id(members)] for name, members in table.items()})


def _check_entry(path: Path, name: Any, members: Any) -> None:
    if not isinstance(name, str) or not isinstance(members, set | list):
        raise UsageError(
            f"{path}: the entry {str(name)[:80]!r} is not a name with its images: give "
            "full-candidate-subsets.pkl."
        )


def _ids(path: Path, name: str, members: set[Any] | list[Any]) -> frozenset[str]:
    for member in members:
        if not isinstance(member, str) or _IMAGE_ID.fullmatch(member) is None:
            shown = repr(member[:80]) if isinstance(member, str) else type(member).__name__
            raise UsageError(
                f"{path}: {name[:80]!r} has an image that is no id of letters and digits "
                f"({shown}): give full-candidate-subsets.pkl."
            )
    return frozenset(members)


def read_contexts(path: Path, groups: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read the contexts that make up each group.

    path: a .json or .toml file with a list for each group and no other key. A context is written as
        `sofa` or as the subset's name, `cat(sofa)`.
    groups: the names of the groups.

    Returns the contexts by group. Raises UsageError for a file that is something else.
    """
    table = _table(path.expanduser())
    groups = list(groups)
    if not isinstance(table, dict) or sorted(table) != sorted(groups):
        raise UsageError(f"{path} should have these keys and no others: {', '.join(groups)}.")
    for group, names in table.items():
        if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
            raise UsageError(f"{path}: {group!r} should be a list of contexts, as text.")
    return {group: tuple(_context(group, name) for name in table[group]) for group in groups}


def _context(group: str, name: str) -> str:
    """Return `sofa` for `cat(sofa)` in a group of cats, and any other name as it is."""
    start = f"{group.split()[0]}("
    return name[len(start) : -1] if name.startswith(start) and name.endswith(")") else name


def _table(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check its path.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not read as JSON or TOML ({first_line(error)}): correct it."
        ) from error
