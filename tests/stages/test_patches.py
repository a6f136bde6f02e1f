"""What specs of patch statistics say of themselves, and the maps that are made of them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.cache.fingerprint import canonical, fingerprint
from a2pipe.errors import UsageError
from a2pipe.models.outputs import Selection, Statistic
from a2pipe.stages.attention import AttentionSpec
from a2pipe.stages.boxes.full import FullBox
from a2pipe.stages.embeddings import EmbeddingSpec
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.passes import ModelSpec
from a2pipe.stages.patches import PatchSpec

MODEL = ModelSpec("{}", "0" * 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), name="tiny")
VOTES = PatchSpec(MODEL, 48, "votes:4")
SCORE = PatchSpec(MODEL, 48, "patch-score:cls")
POOLS = ("cls", "mean", "native", "selective:4")
MODELS = {"tiny": SimpleNamespace(patches=lambda side: (side // 8) ** 2)}
GOLDEN = [
    "f89cbd9f168e4def2dc248f3bcd5a84a",
    "7d676c20ac8b293b0b8ac31f591eed77",
    "e5ab143dc050c8071f71e62235cade14",
]


def maps_of(spec: PatchSpec, *rows: list[float]) -> np.ndarray:
    return spec.maps(np.array(rows), 5, "mean", "slice")


# --- the spec -----------------------------------------------------------------------------------


def test_the_address_of_a_statistic_stays():
    assert canonical(replace(VOTES, geometry="letterbox")) == {
        "stage": "patches",
        "version": 1,
        "model": fingerprint(MODEL),
        "input_size": 48,
        "statistic": "votes:4",
        "geometry": "letterbox",
    }
    addresses = [fingerprint(spec) for spec in (VOTES, SCORE, replace(VOTES, decoder="nvjpeg"))]
    assert addresses == GOLDEN


def test_all_statistics_of_a_canvas_share_the_pass_of_its_attention_and_embedding():
    for way in ({}, {"draft": True}, {"decoder": "nvjpeg"}):
        attention = AttentionSpec(MODEL, 48, 12, **way)
        others = [replace(VOTES, **way), replace(SCORE, **way)]
        others += [EmbeddingSpec(FullBox(48), MODEL, 48, **way, pool=pool) for pool in POOLS]
        assert {each.forward_pass for each in others} == {attention.forward_pass}


@pytest.mark.parametrize("change", [{"input_size": 96}, {"geometry": "letterbox"}, {"draft": True}])
def test_other_pixels_are_another_pass_and_another_canvas(change):
    other = replace(VOTES, **change)
    assert other.forward_pass != VOTES.forward_pass
    assert other.upstream == (other.pixels,)
    assert other.pixels != VOTES.pixels == Canvas(48)


def test_the_output_is_the_statistic():
    spec = PatchSpec(MODEL, 48, "votes:4:paper:centred")
    assert spec.output == Statistic("votes", selection=Selection("4", "paper", "centred"))
    assert spec.source == spec.place == "votes:4:paper:centred"
    assert spec.layer_words(only_last=True) == " votes:4:paper:centred"


def test_votes_are_whole_numbers_and_none_where_an_image_is_bad():
    field = VOTES.array(MODELS)
    assert (field.name, field.shape, field.dtype, field.fill) == ("patches", (36,), "uint16", 0)


@pytest.mark.parametrize("statistic", ["patch-score:mean", "norm", "norm:before", "pooled-score:4"])
def test_other_statistics_are_float32_and_nan_where_an_image_is_bad(statistic):
    field = PatchSpec(MODEL, 48, statistic).array(MODELS)
    assert (field.shape, field.dtype) == ((36,), "float32")
    assert np.isnan(field.fill)


@pytest.mark.parametrize(
    ("statistic", "words"),
    [
        ("votes:1", "tiny, votes of 1 patch a channel"),
        ("votes:49:paper", "tiny, votes of 49 patches a channel, form paper"),
        (
            "pooled-score:4:plot-paper:centred",
            "tiny, score to the selective pooling of 4 patches a channel, form plot-paper, "
            "kernel centred",
        ),
        ("norm", "tiny, norm after the final norm"),
        ("norm:before", "tiny, norm before the final norm"),
        ("patch-score:cls", "tiny, patch score to CLS"),
        ("patch-score:mean", "tiny, patch score to the mean patch"),
    ],
)
def test_it_is_called_by_its_model_and_its_statistic(statistic, words):
    assert PatchSpec(MODEL, 48, statistic).name == words
    assert PatchSpec(MODEL, 48, statistic, "letterbox").words == f"{words}, letterboxed"


# --- its maps -----------------------------------------------------------------------------------


def test_votes_are_divided_by_their_sum_row_by_row():
    rows = np.array([[6, 0, 2, 0], [1, 1, 1, 1]], np.uint16)
    maps = VOTES.maps(rows, 5, "mean", "slice")
    assert maps.dtype == np.float64
    np.testing.assert_array_equal(maps, [[[0.75, 0], [0.25, 0]], [[0.25, 0.25], [0.25, 0.25]]])


def test_votes_beyond_uint16_in_sum_are_added_exactly():
    rows = np.full((1, 36), 65535, np.uint16)
    np.testing.assert_allclose(VOTES.maps(rows, 5, "mean", "slice"), 1 / 36, rtol=1e-15)


@pytest.mark.parametrize("statistic", ["patch-score:cls", "patch-score:mean", "pooled-score:4"])
def test_scores_are_brought_to_unit_range_and_then_to_a_sum_of_one(statistic):
    (found,) = maps_of(PatchSpec(MODEL, 48, statistic), [-0.5, 0.5, 0.0, -0.5])
    np.testing.assert_allclose(found, np.array([[0, 1], [0.5, 0]]) / 1.5, rtol=1e-15)


@pytest.mark.parametrize("value", [-0.25, 0.0, 1.0])
def test_equal_scores_are_a_uniform_map(value):
    np.testing.assert_array_equal(maps_of(SCORE, [value] * 4), np.full((1, 2, 2), 0.25))


def test_an_image_whose_scores_are_not_finite_has_no_map_and_leaves_the_others():
    maps = maps_of(SCORE, [0.0, 1.0, 0.0, 1.0], [np.nan, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0])
    assert np.isnan(maps).all(axis=(1, 2)).tolist() == [False, True, False]


def test_an_image_without_votes_has_no_map():
    assert np.isnan(maps_of(VOTES, [0, 0, 0, 0])).all()


def test_norms_are_no_map():
    with pytest.raises(UsageError, match="no map of where to look"):
        maps_of(PatchSpec(MODEL, 48, "norm"), [1, 2, 3, 4])
