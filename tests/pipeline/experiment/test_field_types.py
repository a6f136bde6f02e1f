"""The types of keys: what they take, and what they make of it."""

import pytest
from pydantic import TypeAdapter, ValidationError

from a2pipe.pipeline.experiment.field_types import OddInt, as_crop_lists, without_repeats
from a2pipe.pipeline.experiment.load import load_experiment

MINIMAL = {"dataset": {"name": "demo-01"}}


def test_an_odd_number_is_odd_and_positive():
    assert [TypeAdapter(OddInt).validate_python(value) for value in (1, 3)] == [1, 3]
    for value, said in ((2, "odd, not 2"), (-1, "greater than 0")):
        with pytest.raises(ValidationError, match=said):
            TypeAdapter(OddInt).validate_python(value)


def test_a_name_or_a_block_given_twice_counts_once():
    sections = {
        "attention": {"models": ["demo_localizer_s"] * 2, "layers": [4, 4]},
        "embedding": {"models": ["demo_embedder_s"] * 2, "baselines": ["full", "full"]},
    }
    experiment = load_experiment({**MINIMAL, **sections})
    assert experiment.attention.models == ("demo_localizer_s",)
    assert experiment.attention.layers == (4,)
    assert experiment.embedding.models == ("demo_embedder_s",)
    assert experiment.embedding.baselines == ("full",)


@pytest.mark.parametrize(
    ("value", "lists"), [(64, [[64]]), ([64, 32], [[64, 32]]), ([[64, 32], [64]], [[64, 32], [64]])]
)
def test_a_crop_list_needs_no_list_of_lists(value, lists):
    assert as_crop_lists(value) == lists


def test_repeats_go_and_order_stays():
    assert without_repeats((3, 1, 3, 2, 1)) == (3, 1, 2)
