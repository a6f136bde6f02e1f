"""Choose how many crops to take: fit on training, choose on validation, look at test afterwards.

A² fixes the number of crops by dataset and suggests this way of choosing it (appendix D).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..datasets.collection import Collection
from ..errors import UsageError
from ..pipeline.experiment.schema import Experiment
from ..pipeline.results.cells import CellResult
from ..pipeline.results.matrix import MatrixRun
from ..stages.fits.head_plan import make_own_head
from .values import metric, predictions

METRICS = ("accuracy", "wga", "worst_class")


@dataclass(frozen=True)
class CropScore:
    """A CropScore is the score of one crop list.

    crops: sides in pixels, in the order they are placed. validation, test: the metric on the
    samples of either split, in [0, 1].
    """

    crops: tuple[int, ...]
    validation: float
    test: float


@dataclass(frozen=True)
class CropChoice:
    """A CropChoice has the crop lists of one attention and embedding model and head, and the best.

    attention: name of the row without its crops. embedding, head: of the cells. metric: the one to
    choose by. scores: in the order of the experiment. chosen: the one of the highest validation
    score; of equal ones that of fewest crops, then the first.
    """

    attention: str
    embedding: str
    head: str
    metric: str
    scores: tuple[CropScore, ...]
    chosen: CropScore

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a crop list, with values in per cent as texts for a terminal."""
        return [
            {
                "attention": self.attention,
                "embedding": self.embedding,
                "head": self.head,
                "crops": "+".join(map(str, score.crops)),
                f"validation {self.metric}": f"{100 * score.validation:.1f}",
                f"test {self.metric}": f"{100 * score.test:.1f}",
                "chosen": "*" if score == self.chosen else "",
            }
            for score in self.scores
        ]


def fitted_on_validation(experiment: Experiment) -> dict[str, str]:
    """Return the heads that are fitted on the split to choose on, and how to fit them otherwise.

    By label; a head says so by its attribute `fitted_on_validation`.
    """
    heads = {head.label: make_own_head(head.kind, head.parameters) for head in experiment.head}
    found = {label: getattr(head, "fitted_on_validation", "") for label, head in heads.items()}
    return {label: otherwise for label, otherwise in found.items() if otherwise}


def require_unseen_validation(experiment: Experiment) -> None:
    """Refuse an experiment of which a head is fitted on the validation split, with UsageError."""
    for label, otherwise in fitted_on_validation(experiment).items():
        raise UsageError(
            f"The head {label} is fitted on the validation split, so nothing can be chosen there: "
            f"choose with {otherwise}."
        )


def choose_crops(run: MatrixRun, name: str = "accuracy") -> tuple[CropChoice, ...]:
    """Choose the crop list of every attention model, embedding model and head that has several.

    name: the metric to choose by, "accuracy", "wga" or "worst_class".

    Raises:
        UsageError: there is no such metric, the experiment has one crop list, or the dataset has no
            validation split.
    """
    if name not in METRICS:
        raise UsageError(f"There is no metric {name!r} to choose by; use {', '.join(METRICS)}.")
    several = _several(run.cells)
    if not several:
        raise UsageError(
            "There is one crop list, so nothing to choose: give --crop-sizes several times."
        )
    if not (run.collection.splits == "val").any():
        raise UsageError(
            f"{run.collection.name} has no validation split to choose on: hold some of its "
            "training images out with --split-val SHARE."
        )
    return choices(run, name)


def choices(run: MatrixRun, name: str) -> tuple[CropChoice, ...]:
    """Choose as `choose_crops` does, but return nothing if nothing can be chosen."""
    if not (run.collection.splits == "val").any():
        return ()
    return tuple(_choice(cells, run.collection, name) for cells in _several(run.cells))


def choice_words(choice: CropChoice) -> str:
    """Return the choice as a sentence."""
    crops, score = "+".join(map(str, choice.chosen.crops)), choice.chosen
    return (
        f"Chosen on the validation split by {choice.metric}: {crops} px "
        f"({100 * score.validation:.1f} there, {100 * score.test:.1f} on the test split; "
        f"{choice.attention}, {choice.embedding}, {choice.head})."
    )


def _several(cells: Iterable[CellResult]) -> list[tuple[CellResult, ...]]:
    """Return groups of two or more attention cells that differ in their crop list alone."""
    groups: dict[tuple[Any, str, str], list[CellResult]] = {}
    for cell in cells:
        if cell.row.map is not None and not cell.row.baseline:
            groups.setdefault((cell.row.map, cell.column, cell.head), []).append(cell)
    return [tuple(found) for found in groups.values() if len(found) > 1]


def _choice(cells: Sequence[CellResult], collection: Collection, name: str) -> CropChoice:
    scores = tuple(
        CropScore(
            cell.row.crops,
            _score(cell, collection, name, "val"),
            _score(cell, collection, name, "test"),
        )
        for cell in cells
    )
    best = max(scores, key=lambda score: (score.validation, -len(score.crops)))
    first = cells[0]
    return CropChoice(first.row.attention, first.column, first.head, name, scores, best)


def _score(cell: CellResult, collection: Collection, name: str, split: str) -> float:
    return metric(name, *predictions(cell, split), collection)
