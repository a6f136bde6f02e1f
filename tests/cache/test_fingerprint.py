"""Addresses: what is in them, what is not, and that they never move."""

import hashlib
import json
from dataclasses import dataclass, field, make_dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.cache.fingerprint import canonical, canonical_json, describe, digest_of, fingerprint
from a2pipe.stages.specs import (
    AttentionSpec,
    CenterBox,
    CoverageSpec,
    EmbeddingSpec,
    FitSpec,
    FullBox,
    GreedyBox,
    HeadSpec,
    LocalizeSpec,
    MapSpec,
    ModelSpec,
    RandomBox,
)

MODEL = ModelSpec("vit{8}", "ab" * 16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), name="some model")
ATTENTION = AttentionSpec(MODEL, 224, 12)
GREEDY = GreedyBox(MapSpec(ATTENTION), 64, 224)
EMBEDDING = EmbeddingSpec(GREEDY, MODEL, 224)

GOLDEN = {
    "model": MODEL,
    "attention": ATTENTION,
    "map": MapSpec(ATTENTION),
    "greedy": GREEDY,
    "greedy second": GreedyBox(MapSpec(ATTENTION), 32, 224, GREEDY),
    "full": FullBox(224),
    "center": CenterBox(128, 224),
    "random": RandomBox(64, 224, 0),
    "embedding": EMBEDDING,
    "head": HeadSpec("logistic", name="LR"),
    "fit": FitSpec(HeadSpec("logistic"), (EMBEDDING,), "cd" * 16),
    "compiled": replace(MODEL, compiled=True),
    "other map": MapSpec(ATTENTION, "lowest_entropy_k", "patch-softmax"),
    "localize": LocalizeSpec(MapSpec(ATTENTION), 224, "cd" * 16),
    "coverage": CoverageSpec((GREEDY,), 224, "cd" * 16),
    "letterboxed": replace(ATTENTION, geometry="letterbox"),
    "greedy letterboxed": GreedyBox(MapSpec(replace(ATTENTION, geometry="letterbox")), 64, 224),
    "center cropped": CenterBox(128, 224, "center-crop"),
    "full letterboxed": FullBox(224, "letterbox"),
    "random cropped": RandomBox(64, 224, 0, None, "center-crop"),
    "from the original": replace(EMBEDDING, source="original"),
}
GOLDEN_FINGERPRINTS: dict[str, str] = {
    "model": "8a4a8dfc1d178246c3431e4754a6a705",
    "attention": "0bef2eb73f79692e03dcf82b727863c8",
    "map": "f429b93fd9c8e95751dbbaaee09585aa",
    "greedy": "99a2753f63e65d3a67086ca2d71f4d79",
    "greedy second": "1cfa66ee3289d09fc140601b171a0935",
    "full": "384f3a06e3d3fba0e5cc92bfeecae025",
    "center": "72bb5b98a6535925da9cf69504d21d87",
    "random": "15ad0180fba8456c1d7c4af4cde02d4c",
    "embedding": "ddcd6602ef7cc65d1b2dbb1a56001b76",
    "head": "acffc8c376d80f5abc25c3a966223597",
    "fit": "ac0ee97f28e66a1fe9cc8be0400a6990",
    "compiled": "d2b2369f5e4ffda53cdb02dd37626429",
    "other map": "f4c70ecd8ee67f574ac2eb41277aae96",
    "localize": "3930773cad878afb312d776f0b65c0b5",
    "coverage": "4da76298edb3c1b12ad38a2395303949",
    "letterboxed": "1fd67005dfe3b09ebe94ee6f83fa6723",
    "greedy letterboxed": "adfd784387d92d1ce8a6b260674004a3",
    "center cropped": "835051310e2249eb9110d88e6d408a4a",
    "full letterboxed": "feece609519dab27d72272b86bf44af6",
    "random cropped": "80b1d4cfb8445ea4bdae8b89c9d047f8",
    "from the original": "7f34915d4ac0b0e616b4d34a47adbe46",
}


@dataclass(frozen=True)
class Plain:
    stage: ClassVar[str] = "plain"
    version: ClassVar[int] = 1

    size: int
    scale: float = 1.0
    shown: str = field(default="", metadata={"label": True})


def with_value(value: Any) -> Any:
    cls = make_dataclass(
        "Any", [("value", Any)], frozen=True, namespace={"stage": "s", "version": 1}
    )
    return cls(value)


@pytest.mark.parametrize("name", GOLDEN)
def test_stored_addresses_never_move(name):
    assert fingerprint(GOLDEN[name]) == GOLDEN_FINGERPRINTS[name]


def test_canonical_json_is_written_out():
    assert canonical_json(Plain(64, 0.1)) == '{"scale":0.1,"size":64,"stage":"plain","version":1}'


def test_fields_at_their_default_are_left_out():
    assert canonical(Plain(64)) == {"stage": "plain", "version": 1, "size": 64}


def test_a_new_field_with_a_default_does_not_move_the_address():
    wider = make_dataclass(
        "Wider",
        [
            ("size", int),
            ("scale", float, 1.0),
            ("extra", tuple, ()),
            ("more", list, field(default_factory=list)),
        ],
        frozen=True,
        namespace={"stage": "plain", "version": 1},
    )
    assert fingerprint(wider(64)) == fingerprint(Plain(64))
    assert fingerprint(wider(64, extra=(1,))) != fingerprint(Plain(64))


def test_labels_are_not_in_the_address():
    assert fingerprint(Plain(64, shown="a")) == fingerprint(Plain(64, shown="b"))
    assert fingerprint(replace(EMBEDDING, model=replace(MODEL, name="x"))) == fingerprint(EMBEDDING)


def test_labels_and_defaults_are_in_the_description():
    assert describe(Plain(64, shown="a")) == {
        "stage": "plain", "version": 1, "size": 64, "scale": 1.0, "shown": "a",
    }  # fmt: skip
    assert describe(EMBEDDING)["box"]["map"]["attention"]["model"]["name"] == "some model"


def test_stage_and_version_are_in_the_address():
    newer = type("Newer", (Plain,), {"version": 2})
    other = type("Other", (Plain,), {"stage": "other"})
    assert len({fingerprint(Plain(64)), fingerprint(newer(64)), fingerprint(other(64))}) == 3


def test_an_upstream_spec_stands_as_its_fingerprint():
    assert canonical(GREEDY)["map"] == fingerprint(MapSpec(ATTENTION))
    assert canonical(GOLDEN["fit"])["features"] == [fingerprint(EMBEDDING)]


def test_any_upstream_change_moves_the_address():
    other = replace(MODEL, weights="00" * 16)
    assert fingerprint(replace(ATTENTION, model=other)) != fingerprint(ATTENTION)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_without_json_are_refused(number):
    with pytest.raises(ValueError):
        fingerprint(Plain(64, number))


@pytest.mark.parametrize("value", [{1}, b"x", object(), [1]])
def test_values_that_have_no_canonical_form_are_refused(value):
    with pytest.raises(TypeError):
        fingerprint(with_value(value))


def test_what_is_no_spec_is_refused():
    with pytest.raises(TypeError, match="is no spec"):
        canonical("attention")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)


@given(plain, plain)
def test_addresses_are_equal_only_for_equal_values(one, two):
    same = fingerprint(with_value(one)) == fingerprint(with_value(two))
    assert same == (repr(one) == repr(two))


@given(st.lists(st.text()), st.lists(st.text()))
def test_a_digest_of_strings_keeps_order_and_boundaries(one, two):
    assert (digest_of(one) == digest_of(two)) == (one == two)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_a_digest_of_strings_is_that_of_their_json(count, monkeypatch):
    monkeypatch.setattr("a2pipe.cache.fingerprint.AT_ONCE", 3)
    strings = [f'{number} "é"' for number in range(count)]
    whole = json.dumps(strings, separators=(",", ":")).encode()
    assert digest_of(strings) == hashlib.sha256(whole).hexdigest()[:32]
