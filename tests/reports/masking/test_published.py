"""The published curves, and the setting that they belong to."""

import pytest

from a2pipe.paper.last_vit import numbers
from a2pipe.reports.masking.published import MASKED, READ_OFF, is_published

from .probes import PAPER, PAPER_IMAGES, curve, probe


def test_curves_begin_at_the_clean_accuracy_and_end_apart() -> None:
    assert {len(values) for values in READ_OFF.values()} == {len(MASKED)}
    assert {values[0] for values in READ_OFF.values()} == {81.1}
    assert READ_OFF["lowest"][3] < READ_OFF["random"][3] < READ_OFF["highest"][3]


def test_they_are_those_of_the_papers_tables() -> None:
    listed = [each for each in numbers() if each.table == "masking"]
    drawn = {
        (f"{order} first" if order != "random" else order, masked): value
        for order, values in READ_OFF.items()
        for masked, value in zip(MASKED, values, strict=True)
    }
    assert {f"{order}, {masked} of 196 masked": v for (order, masked), v in drawn.items()} == {
        each.method: each.value for each in listed
    }


def test_they_belong_to_the_setting_of_the_paper_alone() -> None:
    paper, images = curve(**PAPER), probe(**PAPER_IMAGES)
    assert is_published(images, paper)


@pytest.mark.parametrize(
    "changes",
    [
        {"head": "linear"},
        {"score": "attention"},
        {"patches": 256},
        {"model": "vit_small_patch16_224"},
        {"model": "vit_base_patch16_224.dino"},
    ],
)
def test_another_model_score_or_head_has_none(changes: dict[str, object]) -> None:
    assert not is_published(probe(**PAPER_IMAGES), curve(**{**PAPER, **changes}))


@pytest.mark.parametrize(
    "changes", [{"dataset": "birds"}, {"geometry": "squash"}, {"image_size": 256}]
)
def test_other_images_have_none(changes: dict[str, object]) -> None:
    assert not is_published(probe(**{**PAPER_IMAGES, **changes}), curve(**PAPER))
