"""Compare our numbers with the paper's, number by number."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from .published import Number, published
from .results import (
    Measured,
    PaperResult,
    Replacement,
    replaced_name,
    shown_value,
    values,
    warnings,
)

_PLACE = ("key", "table", "row", "label", "dataset", "subset")
_HEADED = ("where", "attention", "embedding", "metric")
TOLERANCE = 1.0
"""It is in points of a hundred."""

Verdict = Literal["within", "outside", "not run"]


@dataclass(frozen=True)
class Compared:
    """A Compared is a published number beside ours.

    ours: its value is NaN if there is none. difference: ours less the published, in points of a
    hundred; for counts, in counts. verdict: whether the difference is within the tolerance.
    """

    number: Number
    ours: Measured
    difference: float
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """A Comparison holds every number of the tables that the results are about.

    tolerance: in points of a hundred. lines: the numbers, in the paper's order. results: those that
    were compared.
    """

    tolerance: float
    lines: tuple[Compared, ...]
    results: tuple[PaperResult, ...]

    @property
    def warnings(self) -> list[str]:
        """Return what a reader must see before any number."""
        return warnings(self.results)

    @property
    def stand_ins(self) -> tuple[Replacement, ...]:
        """Return the models that were used in place of the paper's; all results have the same."""
        found = [each for result in self.results for each in result.replacements]
        return tuple(dict.fromkeys(found))

    def count(self, verdict: Verdict) -> int:
        """Return how many numbers have this verdict."""
        return sum(line.verdict == verdict for line in self.lines)

    @property
    def reasons(self) -> dict[str, int]:
        """Count the numbers that were not run, by the reason why."""
        return dict(Counter(line.ours.reason for line in self.lines if line.verdict == "not run"))


def compare(results: Sequence[PaperResult], tolerance: float = TOLERANCE) -> Comparison:
    """Compare every number of the results' tables with ours.

    tolerance: how many points of a hundred a number may differ and count as within; a count has to
    be equal. A mean over datasets (table 24) is made if all numbers that it averages are there.
    """
    tables = sorted({table for result in results for table in result.tables})
    numbers = [number for table in tables for number in published(table)]
    ours = with_means(values(results))
    datasets = {result.dataset for result in results}
    lines = tuple(_compared(each, ours, datasets, tolerance) for each in numbers)
    return Comparison(tolerance, lines, tuple(results))


def _compared(
    number: Number, ours: Mapping[str, Measured], datasets: set[str], tolerance: float
) -> Compared:
    found = ours.get(number.key) or Measured(number.key, math.nan, reason=_absent(number, datasets))
    scale = 100 if number.unit == "share" else 1
    difference = scale * (found.value - number.value)
    if math.isnan(difference):
        return Compared(number, found, math.nan, "not run")
    allowed = 0 if number.unit == "count" else tolerance
    # 91.7 - 91.0 is 0.7 but for rounding, and a tolerance of 0.7 is to include it.
    within = abs(round(difference, 9)) <= allowed
    return Compared(number, found, difference, "within" if within else "outside")


def _absent(number: Number, datasets: set[str]) -> str:
    if number.dataset == "mean-of-five":
        return "needs the results of all five datasets"
    missing = number.dataset not in datasets
    return f"no result on {number.dataset}" if missing else "not among the results"


def with_means(ours: Mapping[str, Measured]) -> dict[str, Measured]:
    """Return these and the means over five datasets (table 24) of which every number is there."""
    return {**ours, **{each.key: each for each in _means(ours)}}


def _means(ours: Mapping[str, Measured]) -> Iterable[Measured]:
    for number in published(24):
        parts = [ours.get(part.key) for part in averaged_numbers(number)]
        found = [part.value for part in parts if part and not math.isnan(part.value)]
        if len(found) == len(parts):
            yield Measured(number.key, fmean(found), stdev(found), len(found))


def averaged_numbers(number: Number) -> list[Number]:
    """Return the numbers of tables 25 to 29 whose mean a number of table 24 is, one a dataset."""
    worst = number.metric == "worst"
    return [
        each
        for table in range(25, 30)
        for each in published(table)
        if each.attention == number.attention and (each.metric != "accuracy") == worst
    ]


# --- as rows ------------------------------------------------------------------------------------


def heading(rows: Sequence[Mapping[str, Any]], table: int) -> tuple[str, list[dict[str, Any]]]:
    """Return a heading that says what all rows have in common, and the rows without that."""
    same = [key for key in _HEADED if len({row[key] for row in rows}) == 1]
    words = ", ".join(filter(None, (rows[0][key] for key in same)))
    shorter = [{key: row[key] for key in row if key not in same} for row in rows]
    return f"Table {table}{f': {words}' if words else ''}", shorter


def comparison_rows(comparison: Comparison, table: int) -> list[dict[str, Any]]:
    """Return a row for each number of a table that was run: ours, the published, the difference.

    A number outside the tolerance is marked with "!". Values are texts for a terminal.
    """
    lines = [each for each in comparison.lines if each.number.table == table]
    return [_row(each, comparison.stand_ins) for each in lines if each.verdict != "not run"]


def _row(line: Compared, stand_ins: Sequence[Replacement]) -> dict[str, Any]:
    number = line.number
    places = [number.dataset, number.subset] if number.table != 4 else [number.split]
    return {
        "row": number.label,
        "where": " ".join(filter(None, places)),
        "attention": replaced_name(stand_ins, "attention", number.attention),
        "embedding": replaced_name(stand_ins, "embedding", number.embedding),
        "metric": number.metric,
        "ours": shown_value(line.ours.value, number),
        "published": shown_value(number.value, number),
        "difference": f"{round(line.difference, 1) + 0.0:+.1f}".rjust(10),
        "": "!" if line.verdict == "outside" else "",
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return everything as plain JSON values, with null for a number that is not there."""
    return {
        "tolerance": comparison.tolerance,
        "warnings": comparison.warnings,
        "within": comparison.count("within"),
        "outside": comparison.count("outside"),
        "not_run": comparison.reasons,
        "numbers": [_json(each, comparison.stand_ins) for each in comparison.lines],
    }


def _json(line: Compared, stand_ins: Sequence[Replacement]) -> dict[str, Any]:
    number, ours = line.number, line.ours
    return {
        **{name: getattr(number, name) for name in _PLACE},
        "attention": replaced_name(stand_ins, "attention", number.attention),
        "embedding": replaced_name(stand_ins, "embedding", number.embedding),
        "metric": number.metric,
        "unit": number.unit,
        "ours": _plain(ours.value),
        "ours_std": _plain(ours.std),
        "published": number.value,
        "published_std": number.std,
        "difference": _plain(line.difference),
        "verdict": line.verdict,
        "reason": ours.reason,
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def summary(comparison: Comparison) -> list[str]:
    """Return lines that count the verdicts, and the numbers that were not run by reason."""
    within, outside = comparison.count("within"), comparison.count("outside")
    points = f"{comparison.tolerance:g} point{'' if comparison.tolerance == 1 else 's'}"
    lines = [
        f"{within} within {points} of the paper, {outside} outside, "
        f"{comparison.count('not run')} not run"
    ]
    return lines + [f"  {n} not run: {why}" for why, n in comparison.reasons.items()]
