"""Hold what a preset gave on one dataset, as plain data and as the file `paper.json`.

Values have the unit of the published number: per cent, shares in [0, 1], or counts. A number that
was not made is NaN and says the reason.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import A2pipeError
from ..reports.json_file import FloatOrNaN, JsonFile
from .published import Number, published

FILE = "paper.json"
Role = Literal["attention", "embedding"]
ROLES: tuple[Role, ...] = ("attention", "embedding")


@dataclass(frozen=True)
class Replacement:
    """A Replacement is a model that was used in place of one of the paper's in one role.

    role: "attention" or "embedding". paper: the paper's model. ours: the one that was used.
    """

    role: Role
    paper: str
    ours: str


@dataclass(frozen=True)
class Measured:
    """A Measured is one number of ours.

    key: of the published number, `Number.key`. value: NaN if it was not made. std: standard
    deviation with n - 1, over `seeds` values, or over images for a measure of attention maps; NaN
    for a single value. n: how many test samples or images; 0 if it is about neither. records:
    fingerprints of the stored results it was made from. reason: why it was not made.
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
    """A PaperResult is what a preset gave on one dataset.

    preset: its id, such as "table-11". tables: the tables whose numbers it has. dataset: its name;
    "" for numbers that need none. collection: digest of the samples. created: time in ISO 8601.
    version: of the package. measured: the numbers. replacements: models used in place of the
    paper's. notes: what a reader must see before any number. run: the record of the run, as a
    matrix has it.
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
    """Return the result as indented JSON text."""
    return RESULT_FILE.text(result)


def read_results(paths: Iterable[Path]) -> list[PaperResult]:
    """Read every result in these files and folders, those of a folder in the order of their names.

    Raises:
        A2pipeError: a folder has no result, a file is none, or results cannot stand side by side,
            as they are of different samples of one dataset or replace a model by different ones.
    """
    found = [RESULT_FILE.read(file) for path in paths for file in _files(path)]
    _check_agree(found)
    return found


def miniature(replacements: Iterable[Replacement]) -> str:
    """Say in one line which models were used for which; "" if none was replaced."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for each in replacements:
        pairs.setdefault((each.paper, each.ours), []).append(each.role)
    words = [
        f"{ours} for {paper}{'' if len(roles) > 1 else f' ({roles[0]})'}"
        for (paper, ours), roles in pairs.items()
    ]
    return f"miniature: {', '.join(words)}" if words else ""


def warnings(results: Iterable[PaperResult]) -> list[str]:
    """Return what a reader of these results must see before any number, each once."""
    notes = [note for each in results for note in (miniature(each.replacements), *each.notes)]
    return list(dict.fromkeys(filter(None, notes)))


def values(results: Iterable[PaperResult]) -> dict[str, Measured]:
    """Return the numbers by key; of several with one key the last that has a value counts."""
    found: dict[str, Measured] = {}
    for each in (measured for result in results for measured in result.measured):
        if not math.isnan(each.value) or each.key not in found:
            found[each.key] = each
    return found


def replaced_name(replacements: Iterable[Replacement], role: str, paper: str) -> str:
    """Return the paper's name of a model, followed by what was used in its place, for a table."""
    ours = next((r.ours for r in replacements if (r.role, r.paper) == (role, paper)), "")
    return f"{paper} (miniature: {ours})" if ours else paper


def shown_value(value: float, number: Number) -> str:
    """Return a value with the decimals of its unit, right-aligned; "-" for NaN."""
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
    """Return the models that were used, by role and by the paper's model."""
    numbers = [number for table in result.tables for number in published(table)]
    places = {(r, getattr(n, r)) for n in numbers for r in ROLES}
    ours: dict[tuple[str, str], str] = {(r.role, r.paper): r.ours for r in result.replacements}
    return {place: ours.get(place, place[1]) for place in places if place[1]}
