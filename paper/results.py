"""Numbers of ours that stand beside the paper's: what a run of a preset found on one dataset.

Plain frozen data; `paper.json` holds it. Values have the unit of the published number: per cent,
shares in [0, 1], or counts. NaN is a number that was not made, for the reason that is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import A2pipeError
from ..reports.json_file import FloatOrNaN, JsonFile
from .published import Number, published

FILE = "paper.json"


@dataclass(frozen=True)
class Replacement:
    """A model of ours (`ours`) that stood in for one of the paper's in one role."""

    role: Literal["attention", "embedding"]
    paper: str
    ours: str


@dataclass(frozen=True)
class Measured:
    """One number. key: of the published one (`Number.key`).

    std: over `seeds` values, n - 1 in the denominator, and over images for measures of attention
    maps; NaN for a single value. n: test samples, images, or 0. records: fingerprints of the
    stored results it was made from. reason: why value is NaN.
    """

    key: str
    value: FloatOrNaN
    std: FloatOrNaN = math.nan
    seeds: int = 1
    n: int = 0
    records: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class PaperResult:
    """A preset run on one dataset ("" for what needs none).

    preset: "table-11"; tables: whose numbers it is about. collection: digest of the dataset.
    created: ISO 8601. version: of the package. notes: what a reader must see before any number.
    run: as of a matrix.
    """

    preset: str
    tables: tuple[int, ...]
    dataset: str
    collection: str
    created: str
    version: str
    measured: tuple[Measured, ...]
    replacements: tuple[Replacement, ...] = ()
    notes: tuple[str, ...] = ()
    run: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as they stand in the file."""
        return RESULT_FILE.content(self)


RESULT_FILE = JsonFile(
    PaperResult,
    1,
    "paper",
    f"is no result of the paper's; give a {FILE} of a run",
    "run the preset again",
)


def result_json(result: PaperResult) -> str:
    """The result as indented JSON text."""
    return RESULT_FILE.text(result)


def read_results(paths: Iterable[Path]) -> list[PaperResult]:
    """Every result in files or folders, a folder's in the order of their names.

    Raises A2pipeError for a folder without any, a file that is none, or results that cannot stand
    side by side: of different collections of one dataset, or with different models in one's place.
    """
    found = [RESULT_FILE.read(file) for path in paths for file in _files(path)]
    _check_agree(found)
    return found


def miniature(replacements: Iterable[Replacement]) -> str:
    """What stood in for what, in one line: "miniature: ..."; "" for no replacement."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for each in replacements:
        pairs.setdefault((each.paper, each.ours), []).append(each.role)
    words = [
        f"{ours} for {paper}{'' if len(roles) > 1 else f' ({roles[0]})'}"
        for (paper, ours), roles in pairs.items()
    ]
    return f"miniature: {', '.join(words)}" if words else ""


def warnings(results: Iterable[PaperResult]) -> list[str]:
    """What a reader of these results must see before any number, each once."""
    notes = [note for each in results for note in (miniature(each.replacements), *each.notes)]
    return list(dict.fromkeys(filter(None, notes)))


def values(results: Iterable[PaperResult]) -> dict[str, Measured]:
    """Key -> what was measured; of several results the last that has a value counts."""
    found: dict[str, Measured] = {}
    for each in (measured for result in results for measured in result.measured):
        if not math.isnan(each.value) or each.key not in found:
            found[each.key] = each
    return found


def replaced_name(replacements: Iterable[Replacement], role: str, paper: str) -> str:
    """A model as tables show it: the paper's name, and what stood in for it."""
    ours = next((r.ours for r in replacements if (r.role, r.paper) == (role, paper)), "")
    return f"{paper} (miniature: {ours})" if ours else paper


def shown_value(value: float, number: Number) -> str:
    """A value with as many decimals as its kind is printed with, right-aligned; "-" for none."""
    if math.isnan(value):
        return "-".rjust(9)
    decimals = {"percent": 1, "share": 3}.get(number.unit, 0)
    return f"{value:.{decimals}f}".rjust(9)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.rglob(FILE))
    if not found:
        raise A2pipeError(
            f"There is no {FILE} in {path}; `a2pipe paper run` writes one for every dataset."
        )
    return found


def _check_agree(results: list[PaperResult]) -> None:
    first: dict[str, PaperResult] = {}
    for each in results:
        if each.dataset and first.setdefault(each.dataset, each).collection != each.collection:
            raise A2pipeError(
                f"The results on {each.dataset} are of different images or splits; compare those "
                "of one collection at a time."
            )
    models: dict[tuple[str, str], str] = {}
    for place, ours in (item for each in results for item in _models(each).items()):
        if models.setdefault(place, ours) != ours:
            raise A2pipeError(
                f"Different models stand for {place[1]} in these results ({models[place]}, {ours});"
                " compare those of one set of replacements at a time."
            )


def _models(result: PaperResult) -> dict[tuple[str, str], str]:
    """Role and model of the paper -> the model that was used."""
    numbers = [number for table in result.tables for number in published(table)]
    places = {(r, getattr(n, r)) for n in numbers for r in ("attention", "embedding")}
    ours: dict[tuple[str, str], str] = {(r.role, r.paper): r.ours for r in result.replacements}
    return {place: ours.get(place, place[1]) for place in places if place[1]}
