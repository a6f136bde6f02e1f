"""The crop list is chosen on validation images, and never where that cannot be."""

import pytest

from a2pipe.datasets.collection import Collection
from a2pipe.errors import UsageError
from a2pipe.paper.crop_choice import (
    CropScore,
    choice_words,
    choose_crops,
    fitted_on_validation,
    require_unseen_validation,
)
from a2pipe.pipeline.experiment.schema import Experiment
from a2pipe.pipeline.results.cells import CellResult
from a2pipe.pipeline.results.matrix import MatrixRun
from a2pipe.pipeline.results.run_record import RunRecord

from .kit import FOUR, cell, collection, row

HELD = collection([0, 1, 0, 1, 0, 1], [0, 2, 0, 2, 0, 2], ["train", "train", *["val", "test"] * 2])


def run(*cells: CellResult, on: Collection = HELD) -> MatrixRun:
    return MatrixRun(None, cells, on, RunRecord())  # type: ignore[arg-type]


def fitted(crops: tuple[int, ...], val: list[int], test: list[int]) -> CellResult:
    return cell(row(crops), val=([2, 4], val), test=([3, 5], test))


def test_the_crops_are_chosen_on_validation_images_alone():
    """Two crops are right on both validation images though one crop is better on test."""
    cells = fitted((64,), [0, 1], [1, 1]), fitted((64, 64), [0, 0], [0, 1])
    (choice,) = choose_crops(run(*cells))
    assert choice.scores == (CropScore((64,), 0.5, 1.0), CropScore((64, 64), 1.0, 0.5))
    assert choice.chosen.crops == (64, 64)
    assert [line["chosen"] for line in choice.rows()] == ["", "*"]
    assert choice_words(choice).startswith("Chosen on the validation split by accuracy: 64+64 px")


def test_of_equal_scores_fewest_crops_win():
    cells = fitted((64, 64), [0, 0], [1, 1]), fitted((64,), [0, 0], [0, 0])
    assert choose_crops(run(*cells))[0].chosen.crops == (64,)


def test_the_metric_may_be_the_worst_class():
    cells = fitted((64,), [0, 1], [1, 1]), fitted((64, 64), [0, 0], [0, 0])
    (choice,) = choose_crops(run(*cells), "worst_class")
    assert [score.validation for score in choice.scores] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("cells", "on", "metric", "message"),
    [
        ([fitted((64,), [0, 0], [1, 1])], HELD, "accuracy", "one crop list"),
        ([fitted((64,), [0, 0], [1, 1])] * 2, FOUR, "accuracy", "has no validation split"),
        ([], HELD, "f1", "There is no metric 'f1' to choose by"),
    ],
)
def test_what_cannot_be_chosen(cells, on, metric, message):
    with pytest.raises(UsageError, match=message):
        choose_crops(run(*cells, on=on), metric)


def test_a_head_says_itself_whether_it_has_seen_the_validation_split():
    heads = [{"kind": "dfr"}, {"kind": "dfr", "name": "train", "variant": "train"}, {}]
    experiment = Experiment(dataset={"name": "images"}, head=heads)
    assert fitted_on_validation(experiment) == {"dfr": "variant=train"}
    with pytest.raises(UsageError, match="The head dfr is fitted on the validation split"):
        require_unseen_validation(experiment)
    require_unseen_validation(Experiment(dataset={"name": "images"}, head=heads[1:]))
