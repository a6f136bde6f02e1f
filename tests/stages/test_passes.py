"""What makes two specs of one pass, and two models the same."""

from dataclasses import replace

import pytest

from a2pipe.cache.fingerprint import describe, fingerprint
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.passes import ForwardPass, ModelSpec

MODEL = ModelSpec("{}", "0" * 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), name="tiny")
PASS = ForwardPass(MODEL, 48, Canvas(48))


def test_a_name_is_for_people_and_no_part_of_a_model():
    other = replace(MODEL, name="another name")
    assert other == MODEL
    assert hash(other) == hash(MODEL)
    assert fingerprint(other) == fingerprint(MODEL)
    assert describe(other)["name"] == "another name"


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "{1}"},
        {"weights": "1" * 32},
        {"mean": (0.5, 0.5, 0.4)},
        {"std": (0.5, 0.5, 0.4)},
        {"precision": "bf16"},
        {"compiled": True},
        {"numerics": 2},
    ],
)
def test_all_that_shapes_results_tells_models_and_their_passes_apart(change):
    other = replace(MODEL, **change)
    assert fingerprint(other) != fingerprint(MODEL)
    assert replace(PASS, model=other) != PASS


def test_a_pass_is_a_key_of_what_is_shown():
    assert {PASS, ForwardPass(replace(MODEL, name="other"), 48, Canvas(48))} == {PASS}
    assert ForwardPass(MODEL, 96, Canvas(48)) != PASS
    assert ForwardPass(MODEL, 48, Canvas(48, "letterbox")) != PASS
